package goldentest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Exchange is one recorded request with its answer: a line of the file.
type Exchange struct {
	ID         int               `json:"id"`
	Group      string            `json:"group"`
	Name       string            `json:"name"`
	Method     string            `json:"method"`
	Path       string            `json:"path"`
	Headers    map[string]string `json:"headers"`
	Body       *string           `json:"body"`
	BodyBase64 string            `json:"body_b64"`
	BodyGen    json.RawMessage   `json:"body_gen"` // the body was too large to record; not replayed
	Status     int               `json:"status"`   // 0: the server closed the connection without an answer
	Response   string            `json:"response"`
	Random     bool              `json:"nondeterministic"` // only the status is compared
	PrefixOnly bool              `json:"response_prefix_only"`
}

// Difference is an exchange whose answer is not the recorded one.
type Difference struct {
	Exchange
	Meant     string // the reason, if the difference is listed
	GotStatus int
	Got       string
}

// String shows want and got, shortened.
func (d Difference) String() string {
	return fmt.Sprintf("#%d [%s] %s\n   %s %s\n   want %d %.300q\n   got  %d %.300q", d.ID, d.Group, d.Name, d.Method, d.Path,
		d.Status, d.Response, d.GotStatus, d.Got)
}

// Report is the outcome of a replay.
type Report struct {
	Equal       int
	Differences []Difference // that nobody has listed
	Listed      []Difference
	// Stale are exchanges that are listed as different but are equal.
	Stale   []int
	Skipped int
}

// Options choose what is replayed.
type Options struct {
	File    string // JSON Lines of exchanges
	Differs string // lines "ID reason" of exchanges in which a difference is meant; "": none
	Groups  []string
	Now     time.Time // {{NOW}}, cut to the minute
}

// Replay sends the exchanges of a file to the server at base, in order. The server should be empty. The error is about the
// files or a request that cannot be made; a connection that breaks is an answer with status 0.
func Replay(ctx context.Context, base string, o Options) (*Report, error) {
	exchanges, err := Load(o.File)
	if err != nil {
		return nil, err
	}
	meant, err := loadDiffers(o.Differs)
	if err != nil {
		return nil, err
	}
	p := &player{base: strings.TrimSuffix(base, "/"), now: o.Now.Unix() / 60 * 60, clock: o.Now.Unix()}
	p.client = &http.Client{
		Timeout:       60 * time.Second,
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer p.client.CloseIdleConnections()
	report := &Report{}
	for _, e := range exchanges {
		if len(o.Groups) > 0 && !slices.Contains(o.Groups, e.Group) {
			continue
		}
		status, text, err := p.send(ctx, &e)
		if err != nil {
			return report, fmt.Errorf("exchange %d: %w", e.ID, err)
		}
		reason, listed := meant[e.ID]
		switch equal := p.equal(&e, status, text); {
		case e.BodyGen != nil:
			report.Skipped++
		case equal:
			report.Equal++
			if listed {
				report.Stale = append(report.Stale, e.ID)
			}
		case listed:
			report.Listed = append(report.Listed, Difference{e, reason, status, text})
		default:
			report.Differences = append(report.Differences, Difference{e, "", status, text})
		}
	}
	return report, nil
}

// Load reads a file of exchanges.
func Load(file string) ([]Exchange, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []Exchange
	dec := json.NewDecoder(bufio.NewReader(f))
	for {
		var e Exchange
		switch err := dec.Decode(&e); err {
		case nil:
			out = append(out, e)
		case io.EOF:
			return out, nil
		default:
			return nil, fmt.Errorf("%s, after exchange %d: %w", file, len(out), err)
		}
	}
}

func loadDiffers(file string) (map[int]string, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	out := map[int]string{}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		id, reason, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, fmt.Errorf("%s: line %q does not begin with the number of an exchange", file, line)
		}
		out[n] = strings.TrimSpace(reason)
	}
	return out, nil
}

type player struct {
	base   string
	client *http.Client
	now    int64 // whole minute
	clock  int64
}

var nowPattern = regexp.MustCompile(`\{\{NOW([+-]\d+)?\}\}`)

// fill puts times where the recording has marks.
func (p *player) fill(s string) string {
	return nowPattern.ReplaceAllStringFunc(s, func(mark string) string {
		n, _ := strconv.ParseInt(strings.Trim(mark, "{}NOW"), 10, 64) // no number: 0
		return strconv.FormatInt(p.now+n, 10)
	})
}

func (p *player) send(ctx context.Context, e *Exchange) (status int, text string, err error) {
	var body io.Reader
	chunked := false
	for k := range e.Headers {
		chunked = chunked || strings.EqualFold(k, "Transfer-Encoding")
	}
	switch {
	case e.BodyBase64 != "":
		b, err := base64.StdEncoding.DecodeString(e.BodyBase64)
		if err != nil {
			return 0, "", err
		}
		body = bytes.NewReader(b)
	case e.Body != nil:
		body = strings.NewReader(p.fill(*e.Body))
	}
	if chunked && body != nil {
		body = struct{ io.Reader }{body} // hides its length
	}
	req, err := http.NewRequestWithContext(ctx, e.Method, p.base+p.fill(e.Path), body)
	if err != nil {
		return 0, "", err
	}
	for k, v := range e.Headers {
		if !strings.EqualFold(k, "Transfer-Encoding") {
			req.Header.Set(k, p.fill(v))
		}
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, err.Error(), ctx.Err()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error(), ctx.Err()
	}
	return resp.StatusCode, string(b), nil
}

var nearMark = regexp.MustCompile(`"?\{\{~NOW\}\}"?`)

const near = `"{{~NOW}}"`

func (p *player) equal(e *Exchange, status int, got string) bool {
	switch {
	case status != e.Status:
		return false
	case status == 0 || e.Random || e.Method == http.MethodHead:
		return true
	case e.PrefixOnly:
		return len(got) > 300
	}
	want := p.fill(nearMark.ReplaceAllString(e.Response, near))
	var w, g any
	if json.Unmarshal([]byte(want), &w) == nil && json.Unmarshal([]byte(got), &g) == nil {
		return p.same(w, g)
	}
	return p.sameLines(want, got)
}

// same compares JSON values: numbers nearly, the error of an error body by its beginning.
func (p *player) same(w, g any) bool {
	switch w := w.(type) {
	case string:
		if f, ok := g.(float64); ok && w == strings.Trim(near, `"`) {
			return math.Abs(f-float64(p.clock)) < 180
		}
		return w == g
	case float64:
		f, ok := g.(float64)
		return ok && math.Abs(w-f) <= max(0.0006, 1e-6*math.Abs(w))
	case map[string]any:
		return p.sameObject(w, g)
	case []any:
		a, ok := g.([]any)
		return ok && slices.EqualFunc(w, a, p.same)
	}
	return w == g
}

func (p *player) sameObject(w map[string]any, g any) bool {
	o, ok := g.(map[string]any)
	if !ok {
		return false
	}
	if text, ok := w["error"].(string); ok && len(w) == 2 && w["status"] != nil {
		delete(o, "granary")
		got, _ := o["error"].(string)
		return len(o) == 2 && o["status"] == w["status"] && strings.HasPrefix(got, text)
	}
	if len(o) != len(w) {
		return false
	}
	for k, v := range w {
		if got, ok := o[k]; !ok || !p.same(v, got) {
			return false
		}
	}
	return true
}

// sameLines compares texts as sets of lines, without indentation, trailing commas and blank lines.
func (p *player) sameLines(want, got string) bool {
	lines := func(s string) (out []string) {
		for line := range strings.Lines(s) {
			if line = strings.TrimRight(strings.TrimSpace(line), ","); line != "" {
				out = append(out, line)
			}
		}
		slices.Sort(out)
		return out
	}
	return slices.EqualFunc(lines(want), lines(got), func(w, g string) bool {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(w), regexp.QuoteMeta(near), `\d+`)
		ok, err := regexp.MatchString("^(?:"+pattern+")$", g)
		return ok && err == nil
	})
}
