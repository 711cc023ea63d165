package gnocchi

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"granary/compat/gnocchi/pyjson"
	"granary/policy"
)

// The exchanges with a server of Gnocchi that were recorded, where the folder is that has them. They are played in their order
// against a dialect with a store of its own for each section, and what is answered has to mean the same: ids and times of the
// recording stand for those that come at their places here, and lists that are sets have no order. differs.txt has the names of those
// that are answered otherwise, and why; one that is listed and means the same is an error too.
const (
	goldenFile     = "../../../shared/golden/gnocchi.jsonl"
	goldenUnstable = "../../../shared/tools/gnocchi/golden-unstable.txt" // whose order depends on ids: their status alone counts
)

// exchange is a request and its answer as they were recorded.
type exchange struct {
	name, method, path string
	header             *pyjson.Object
	body               any
	hasBody            bool
	status             int
	answer             *pyjson.Object // header fields
	want               any
}

func readGolden(t *testing.T) []exchange {
	t.Helper()
	f, err := os.Open(goldenFile)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("there are no recorded exchanges here")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var list []exchange
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		v, err := pyjson.Decode(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		o := v.(*pyjson.Object)
		e := exchange{name: text(o, "name"), method: text(o, "method"), path: text(o, "path")}
		member := func(name string) *pyjson.Object { v, _ := o.Get(name); return v.(*pyjson.Object) }
		e.header, e.answer = member("request_headers"), member("response_headers")
		e.body, e.hasBody = o.Get("request_body")
		status, _ := o.Get("status")
		e.status, _ = strconv.Atoi(string(status.(pyjson.Number)))
		e.want, _ = o.Get("response_body")
		list = append(list, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// goldenAlike is the line of differs.txt behind which those stand that mean the same here, and differ for who plays them against a server.
const goldenAlike = "# Only diff.py "

// readDiffers are the exchanges that are answered otherwise, by name.
func readDiffers(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile("differs.txt")
	if err != nil {
		t.Fatal(err)
	}
	names, last := map[string]bool{}, ""
	alike := false
	for line := range strings.Lines(string(b)) {
		if line[0] == '#' {
			alike, last = alike || strings.HasPrefix(line, goldenAlike), ""
			continue
		}
		name, reason, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name <= last || reason == "" {
			t.Errorf("differs.txt: %q stands behind %q or has no reason", name, last)
		}
		if last = name; !alike {
			names[name] = true
		}
	}
	return names
}

// The guide tells of every difference, in the words of differs.txt.
func TestTheGuideHasEveryDifference(t *testing.T) {
	list, err := os.ReadFile("differs.txt")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile(filepath.FromSlash("../../docs/gnocchi.md"))
	if err != nil {
		t.Fatal(err)
	}
	list, _, _ = bytes.Cut(list, []byte(goldenAlike))
	for line := range strings.Lines(string(list)) {
		name, reason, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !bytes.Contains(guide, []byte("\n- "+reason+"\n")) {
			t.Errorf("docs/gnocchi.md does not say of %s that %s", name, reason)
		}
	}
}

func TestGolden(t *testing.T) {
	list, differs := readGolden(t), readDiffers(t)
	unstable, err := os.ReadFile(filepath.FromSlash(goldenUnstable))
	if err != nil {
		t.Fatal(err)
	}
	loose := strings.Fields(string(unstable))
	var g *golden
	section := ""
	for _, e := range list {
		if s, _, _ := strings.Cut(e.name, "/"); s != section {
			section, g = s, newGolden(t)
		}
		got := g.play(&e)
		if e.status == http.StatusInternalServerError && got.Code < 500 {
			if differs[e.name] {
				t.Errorf("%s is listed in differs.txt, and need not be: the recorded server failed", e.name)
			}
			g.learn(&e, got)
			continue
		}
		why := g.differ(&e, got, slices.Contains(loose, e.name))
		switch {
		case why != "" && !differs[e.name]:
			t.Errorf("%s: %s %s: %s\n%.1000s", e.name, e.method, e.path, why, got.Body)
		case why == "" && differs[e.name]:
			t.Errorf("%s is listed in differs.txt, and is answered alike", e.name)
		}
	}
}

// golden is a dialect that exchanges are played against, with what their ids and times are here.
type golden struct {
	*bed
	tb       testing.TB
	here     map[string]string // of the recording: here
	recorded map[string]string // the other way round
}

func newGolden(tb testing.TB) *golden {
	// Each look at the clock is later than the one before, so that revisions have an order.
	var ticks atomic.Int64
	clock := func() time.Time { return testNow.Add(time.Duration(ticks.Add(1)) * time.Microsecond) }
	b := newBedAt(tb, clock, func(o *Options) { o.Origins, o.ProxyHeaders = []string{"http://foobar.com"}, true })
	policies, rules := policy.GnocchiDefaults()
	if err := b.store.SeedPolicies(tb.Context(), policies, rules); err != nil {
		tb.Fatal(err)
	}
	return &golden{bed: b, tb: tb, here: map[string]string{}, recorded: map[string]string{}}
}

// play sends a recorded request, with the ids and times that are here.
func (g *golden) play(e *exchange) *httptest.ResponseRecorder {
	var body []byte
	if e.hasBody {
		body = goldenBody(e.body)
	}
	r := httptest.NewRequest(e.method, g.translate(e.path), bytes.NewReader([]byte(g.translate(string(body)))))
	r.Host = "127.0.0.1:18042"
	for i, name := range e.header.Names {
		value, _ := e.header.Values[i].(string)
		if user, ok := strings.CutPrefix(value, "{{basic "); ok {
			value = "basic " + base64.StdEncoding.EncodeToString([]byte(strings.TrimSuffix(user, "}}")))
		}
		r.Header.Set(name, g.translate(value))
	}
	w := httptest.NewRecorder()
	if r.URL.Path == "/" {
		g.Versions(w, r)
	} else {
		g.ServeHTTP(w, r)
	}
	return w
}

// goldenBody is the body of a request. One that was no JSON was recorded as a string.
func goldenBody(v any) []byte {
	if s, ok := v.(string); ok && (s == "" || s[0] == '{') {
		return []byte(s)
	}
	return pyjson.Append(nil, v)
}

var (
	goldenID   = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	goldenBare = regexp.MustCompile(`(?i)\b[0-9a-f]{32}\b`)
	goldenTime = regexp.MustCompile(`20(2[5-9]|3\d)-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?`)
	goldenHost = regexp.MustCompile(`https?://(127\.0\.0\.1|localhost)(:\d+)?`)
	goldenBoth = regexp.MustCompile(goldenID.String() + "|" + goldenTime.String())
)

// translate puts what is here in the place of the recorded ids and times.
func (g *golden) translate(s string) string {
	s = goldenBare.ReplaceAllStringFunc(s, func(token string) string {
		t := strings.ToLower(token)
		if is, ok := g.here[t[:8]+"-"+t[8:12]+"-"+t[12:16]+"-"+t[16:20]+"-"+t[20:]]; ok {
			return strings.ReplaceAll(is, "-", "")
		}
		return token
	})
	return goldenBoth.ReplaceAllStringFunc(s, func(token string) string {
		if is, ok := g.here[strings.ToLower(token)]; ok && !strings.EqualFold(is, token) {
			return is
		}
		return token // as it is written
	})
}

// bind takes note that what is here stands for a recorded id or time; false if one of them stands for something else.
func (g *golden) bind(recorded, here string) bool {
	recorded, key := strings.ToLower(recorded), strings.ToLower(here)
	known, ok := g.here[recorded]
	if back, taken := g.recorded[key]; ok || taken {
		return ok && strings.EqualFold(known, here) || taken && back == recorded
	}
	g.here[recorded], g.recorded[key] = here, recorded
	return true
}

// fixed says whether an id is the same everywhere: it is made of what it names, or it is a made-up one.
func fixed(id string) bool { return strings.HasPrefix(id, "00000000") || id[14] == '5' }

// learn binds what an answer has of ids and times, whatever else it says.
func (g *golden) learn(e *exchange, got *httptest.ResponseRecorder) {
	if got.Code == e.status {
		_ = g.compare(e.want, goldenAnswer(got), "", "")
	}
}

func goldenAnswer(got *httptest.ResponseRecorder) any {
	if v, err := pyjson.Decode(got.Body.Bytes()); err == nil {
		return v
	}
	return got.Body.String()
}

// differ says in what an answer is another than the recorded one, "" in nothing that matters.
func (g *golden) differ(e *exchange, got *httptest.ResponseRecorder, loose bool) string {
	if got.Code != e.status {
		return fmt.Sprintf("status %d, want %d", got.Code, e.status)
	}
	media := func(s string) string { s, _, _ = strings.Cut(s, ";"); return s }
	if is, want := media(got.Header().Get("Content-Type")), media(text(e.answer, "content-type")); is != want {
		return fmt.Sprintf("Content-Type %q, want %q", is, want)
	}
	if loose {
		return ""
	}
	for _, name := range []string{"location", "link", "etag", "last-modified"} {
		_, want := e.answer.Get(name)
		if _, is := got.Header()[http.CanonicalHeaderKey(name)]; is != want {
			return fmt.Sprintf("%s: %v, want %v", name, is, want)
		}
	}
	for _, name := range []string{"allow", "link"} {
		if _, ok := e.answer.Get(name); !ok {
			continue
		}
		if why := g.compare(text(e.answer, name), got.Header().Get(name), "", name); why != "" {
			return why
		}
	}
	return g.compare(e.want, goldenAnswer(got), "", "body")
}

// compare says where two answers differ. key is the name of the member that they are.
func (g *golden) compare(want, got any, key, at string) string {
	switch want := want.(type) {
	case *pyjson.Object:
		is, ok := got.(*pyjson.Object)
		if !ok {
			break
		}
		names := map[string]any{}
		for i, name := range is.Names {
			names[name] = is.Values[i]
		}
		for i, name := range want.Names {
			here := g.translate(name)
			v, ok := names[here]
			delete(names, here)
			if ignored(name) {
				continue
			}
			if !ok {
				return fmt.Sprintf("%s has no %s", at, here)
			}
			if why := g.compare(want.Values[i], v, name, at+"."+name); why != "" {
				return why
			}
		}
		maps.DeleteFunc(names, func(name string, _ any) bool { return ignored(name) })
		if len(names) > 0 {
			return fmt.Sprintf("%s has %v more", at, slices.Sorted(maps.Keys(names)))
		}
		return ""
	case []any:
		is, ok := got.([]any)
		if !ok || len(is) != len(want) {
			break
		}
		if key == "aggregation_methods" || key == "references" || key == "detail" && texts(want) {
			want, is = g.sorted(want, true), g.sorted(is, false)
		}
		for i := range want {
			if why := g.compare(want[i], is[i], "", at+"["+strconv.Itoa(i)+"]"); why != "" {
				return why
			}
		}
		return ""
	case string:
		if is, ok := got.(string); ok && g.same(want, is) {
			return ""
		}
	case pyjson.Number:
		is, ok := got.(pyjson.Number)
		if ok && (is == want || strconv.FormatFloat(is.Float(), 'g', 12, 64) == strconv.FormatFloat(want.Float(), 'g', 12, 64)) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s is %.300s, want %.300s", at, pyjson.Append(nil, got), pyjson.Append(nil, want))
}

// ignored are members that say how a server runs.
func ignored(name string) bool {
	return name == "build" || name == "statistics" || name == "processors"
}

func texts(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool { _, ok := v.(string); return !ok })
}

// sorted puts a set in an order; a recorded one as it would be here.
func (g *golden) sorted(list []any, recorded bool) []any {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b any) int {
		x, y := string(pyjson.Append(nil, a)), string(pyjson.Append(nil, b))
		if recorded {
			x, y = g.translate(x), g.translate(y)
		}
		return strings.Compare(x, y)
	})
	return list
}

// same compares two texts, and binds their ids and times.
func (g *golden) same(want, got string) bool {
	plain := func(s string) string {
		return goldenHost.ReplaceAllString(goldenBoth.ReplaceAllString(s, "\x00"), "HOST")
	}
	if plain(want) != plain(got) {
		return false
	}
	a, b := goldenBoth.FindAllString(want, -1), goldenBoth.FindAllString(got, -1)
	for i := range a {
		isID := goldenID.MatchString(a[i])
		switch {
		case isID != goldenID.MatchString(b[i]):
			return false
		case isID && fixed(a[i]):
			if !strings.EqualFold(a[i], b[i]) {
				return false
			}
		case !g.bind(a[i], b[i]) && isID:
			return false
		}
	}
	return true
}
