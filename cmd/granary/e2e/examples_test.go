//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// documented is the address that examples name.
const documented = "127.0.0.1:8082"

// block is an indented block of a page.
type block struct {
	line int
	text string // without the indent
}

// blocks are the indented blocks of a page, in their order. An empty line ends one. What stands between fences is for reading.
func blocks(page string) (all []block) {
	inside, fenced := false, false
	for i, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		text, indented := strings.CutPrefix(line, "    ")
		if indented && !inside {
			all = append(all, block{line: i + 1})
		}
		if inside = indented; inside {
			all[len(all)-1].text += text + "\n"
		}
	}
	return all
}

// step is a command of a page and what it prints there.
type step struct {
	line     int
	command  string
	expected string // "" for nothing that the page shows
}

// example is what a page lets its readers do.
type example struct {
	before []step // what is done before the server starts
	config string // that the server is started with, JSON or YAML; "" for none
	now    int64  // the value of NOW when the page was written
	steps  []step
}

var (
	isCommand = regexp.MustCompile(`^([A-Za-z]+=|curl |old |new |for |umask |cat |while )`)
	isConfig  = regexp.MustCompile(`^(\{|granary:|main:)`)
	writtenAt = regexp.MustCompile("NOW=([0-9]{10})`")
)

// exampleOf reads a page. A block that begins like a command is one, a block behind it is what it prints. The first block that
// looks like a configuration is one if no command before it asks the server for anything; what stands in front of it is done
// before the server starts. A page without commands has no example.
func exampleOf(t *testing.T, page string) (e example) {
	t.Helper()
	if m := writtenAt.FindStringSubmatch(page); m != nil {
		e.now, _ = strconv.ParseInt(m[1], 10, 64)
	}
	for _, b := range blocks(page) {
		asked := slices.ContainsFunc(e.steps, func(s step) bool { return strings.Contains(s.command, "curl ") })
		switch last := len(e.steps) - 1; {
		case isCommand.MatchString(b.text):
			e.steps = append(e.steps, step{line: b.line, command: b.text})
		case e.config == "" && !asked && isConfig.MatchString(b.text):
			e.config, e.before, e.steps = b.text, e.steps, nil
		case last < 0:
		case e.steps[last].expected == "":
			e.steps[last].expected = b.text
		default:
			t.Errorf("line %d is neither a command nor what one prints", b.line)
		}
	}
	return e
}

// TestExamplesOfThePages runs the examples of the documentation as a reader would, in a shell, and compares what they print. The
// times on a page are moved by what lies between now and then; "…" stands for what differs from time to time.
func TestExamplesOfThePages(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("there is no " + tool + " on this machine")
		}
	}
	files, err := filepath.Glob("../../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	run := 0
	for _, file := range append(files, "../../../README.md") {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "\n    API=http://"+documented) && !strings.HasSuffix(file, "README.md") {
			continue
		}
		run++
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			runExample(t, exampleOf(t, string(page)))
		})
	}
	if run < 4 {
		t.Errorf("only %d pages have examples", run)
	}
}

func runExample(t *testing.T, e example) {
	dir := t.TempDir()
	for _, s := range e.before {
		shell := exec.CommandContext(t.Context(), "sh", "-e", "-c", s.command)
		shell.Dir = dir
		if out, err := shell.CombinedOutput(); err != nil {
			t.Fatalf("line %d: %v\n%s", s.line, err, out)
		}
	}
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", "data"}
	if e.config != "" {
		config := filepath.Join(dir, "granary.yaml")
		if strings.HasPrefix(e.config, "{") {
			config = filepath.Join(dir, "config.json")
		}
		if err := os.WriteFile(config, []byte(e.config), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", config)
	}
	p := launch(t, dir, args...) // relative paths of the configuration are those of the reader
	p.url = "http://" + p.log.await(t, listening)[1]
	p.ready()
	address := checkedProxy(t, p.url)

	const mark = "\x1e"
	var script strings.Builder
	for _, s := range e.steps {
		script.WriteString(strings.ReplaceAll(s.command, documented, address))
		script.WriteString("\nprintf '" + mark + "'\n")
	}
	script.WriteString("printf %s \"$NOW\"\n")
	shell := exec.CommandContext(t.Context(), "sh", "-e")
	shell.Dir = dir
	shell.Stdin = strings.NewReader(script.String())
	var failed bytes.Buffer
	shell.Stderr = &failed
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, &failed, out)
	}
	printed := strings.Split(string(out), mark)
	if len(printed) != len(e.steps)+1 {
		t.Fatalf("%d commands, %d outputs: %q", len(e.steps), len(printed)-1, printed)
	}
	now := e.now
	if text := printed[len(e.steps)]; text != "" || now != 0 {
		if now, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatalf("NOW: %v", err)
		}
	}
	for i, s := range e.steps {
		got := strings.ReplaceAll(printed[i], address, documented)
		if err := compare(got, moved(s.expected, now-e.now)); err != nil {
			t.Errorf("line %d: %v\n%s\nprinted:\n%s\nexpected:\n%s", s.line, err, s.command, got, moved(s.expected, now-e.now))
		}
	}
}

// checkedProxy is an address from which requests are handed on to a server; what it answers is checked against the
// OpenAPI document.
func checkedProxy(t *testing.T, to string) string {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	base := &http.Transport{DisableCompression: true}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		// Nothing is added: a request with X-Forwarded-For would not be one of this machine.
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		Transport: checked(t, base),
	})
	t.Cleanup(func() {
		proxy.Close()
		base.CloseIdleConnections()
	})
	return strings.TrimPrefix(proxy.URL, "http://")
}

var pointInTime = regexp.MustCompile(`\b1[0-9]{9}([0-9]{3}|[0-9]{6}|[0-9]{9})?\b`)

var isoTime = regexp.MustCompile(`\b20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|\+00:00)`)

// moved moves the times of a text by seconds: whole numbers of as many digits as seconds, milliseconds, microseconds or
// nanoseconds since 1970 have, and dates with times of day.
func moved(text string, by int64) string {
	text = isoTime.ReplaceAllStringFunc(text, func(date string) string {
		t, err := time.Parse(time.RFC3339, date)
		if err != nil {
			return date
		}
		return t.Add(time.Duration(by)*time.Second).Format("2006-01-02T15:04:05") + date[len("2006-01-02T15:04:05"):]
	})
	return pointInTime.ReplaceAllStringFunc(text, func(number string) string {
		n, _ := strconv.ParseInt(number, 10, 64) // the pattern is one of digits that fit
		unit := int64(1)
		for range len(number) - 10 {
			unit *= 10
		}
		return strconv.FormatInt(n+by*unit, 10)
	})
}

// compare compares what was printed with what a page shows. Of a page that shows lines of a header, each has to be there. JSON is
// the same however it is laid out.
func compare(got, want string) error {
	switch {
	case want == "":
		return nil
	case strings.HasPrefix(got, "HTTP/"):
		lines := strings.Split(strings.ReplaceAll(got, "\r\n", "\n"), "\n")
		for line := range strings.Lines(want) {
			if line = strings.TrimSpace(line); line != "" && !slices.ContainsFunc(lines, func(l string) bool { return matches(strings.TrimSpace(l), line) }) {
				return fmt.Errorf("there is no line %q", line)
			}
		}
		return nil
	case strings.HasPrefix(want, "{"), strings.HasPrefix(want, "["):
		got, want = dense(got), dense(want)
	default:
		got, want = strings.TrimSpace(strings.ReplaceAll(got, "\r\n", "\n")), strings.TrimSpace(want)
	}
	if !matches(got, want) {
		return fmt.Errorf("it is something else")
	}
	return nil
}

// matches says whether a text is the one expected, in which "…" stands for anything.
func matches(got, want string) bool {
	parts := strings.Split(want, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*?") + `$`).MatchString(got)
}

// dense is JSON without space between its tokens.
func dense(text string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\\' && i+1 < len(text):
			b.WriteByte(c)
			i++
			c = text[i]
		case c == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(" \t\r\n", c) >= 0:
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
