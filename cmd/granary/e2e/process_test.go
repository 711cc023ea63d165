//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// granary is the built program.
var granary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "granary-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	granary = filepath.Join(dir, "granary")
	args := []string{"build", "-o", granary}
	if os.Getenv("GRANARY_E2E_RACE") == "1" {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "granary/cmd/granary")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// patience bounds every wait; none lasts that long unless something is broken.
const patience = 30 * time.Second

// rounds is how many times a crash test kills, unless it is told by the environment.
func rounds(t *testing.T, full int) int {
	t.Helper()
	if text := os.Getenv("GRANARY_E2E_ROUNDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("GRANARY_E2E_ROUNDS is %q", text)
		}
		return n
	}
	if testing.Short() {
		return max(full/6, 3)
	}
	return full
}

// random is the source of what a test leaves to chance.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("GRANARY_E2E_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("GRANARY_E2E_SEED is %q", text)
		}
	}
	t.Logf("GRANARY_E2E_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// process is a running server.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	log    *logLines
	client *http.Client
	url    string
	exited chan struct{}
	wait   error // of exec.Cmd.Wait; valid once exited is closed
}

// launch starts the program in a folder, "" for this one, and does not wait for anything.
func launch(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{t: t, log: newLogLines(), exited: make(chan struct{})}
	p.client = &http.Client{Timeout: patience, Transport: checked(t, &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16})}
	p.cmd = exec.Command(granary, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.log, p.log
	p.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1 exitcode=66")
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.wait = p.cmd.Wait()
		p.log.end()
		close(p.exited)
	}()
	t.Cleanup(p.kill)
	return p
}

// serve starts a server on a free port and waits until it is ready.
func serve(t *testing.T, config, data string, more ...string) *process {
	t.Helper()
	p := listen(t, config, data, more...)
	p.ready()
	return p
}

// listen starts a server on a free port and waits until it has the port.
func listen(t *testing.T, config, data string, more ...string) *process {
	t.Helper()
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", data}
	if config != "" {
		args = append(args, "--config", config)
	}
	p := launch(t, "", append(args, more...)...)
	p.url = "http://" + p.log.await(t, listening)[1]
	return p
}

var listening = regexp.MustCompile(`msg=starting .*listen=(\S+)`)

// ready waits until /readyz says so.
func (p *process) ready() {
	p.t.Helper()
	poll(p.t, "the server to be ready", func() bool {
		select {
		case <-p.exited:
			p.t.Fatalf("the server has ended: %v\n%s", p.wait, p.log)
		default:
		}
		status, _ := p.get("/readyz")
		return status == http.StatusOK
	})
}

// poll asks until done says so.
func poll(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// kill ends the process as the kernel does when memory runs out. It may be called twice.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.exited
	p.client.CloseIdleConnections()
}

// end sends SIGTERM and waits, whatever the exit code.
func (p *process) end() {
	p.t.Helper()
	p.alive()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	p.ended()
	p.client.CloseIdleConnections()
}

// ended waits until the process has ended by itself and gives its exit code.
func (p *process) ended() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("the process goes on\n%s", p.log)
	}
	return p.cmd.ProcessState.ExitCode()
}

// alive fails the test if the process has ended by itself.
func (p *process) alive() {
	p.t.Helper()
	select {
	case <-p.exited:
		p.t.Fatalf("the server has ended by itself: %v\n%s", p.wait, p.log)
	default:
	}
}

// stop ends the process by SIGTERM and says how long that took; any exit code but 0 fails the test.
func (p *process) stop() time.Duration {
	p.t.Helper()
	p.alive()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("the server did not stop in %v\n%s", patience, p.log)
	}
	if p.wait != nil {
		p.t.Fatalf("stop: %v\n%s", p.wait, p.log)
	}
	p.client.CloseIdleConnections()
	return time.Since(began)
}

// do sends a request; an error of the connection is status 0.
func (p *process) do(method, path string, header http.Header, body io.Reader) (int, http.Header, []byte) {
	req, err := http.NewRequestWithContext(context.Background(), method, p.url+path, body)
	if err != nil {
		panic(err) // a path that a test has wrong
	}
	if header != nil {
		req.Header = header
	}
	res, err := p.client.Do(req)
	if err != nil {
		return 0, nil, []byte(err.Error())
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, []byte(err.Error())
	}
	return res.StatusCode, res.Header, b
}

func (p *process) get(path string) (int, string) {
	status, _, body := p.do(http.MethodGet, path, nil, nil)
	return status, string(body)
}

func (p *process) write(body string) (int, http.Header, string) {
	status, header, answer := p.do(http.MethodPost, "/api/write/", nil, strings.NewReader(body))
	return status, header, string(answer)
}

// mustWrite writes lines that must all be stored.
func (p *process) mustWrite(body string) {
	p.t.Helper()
	if status, header, answer := p.write(body); status != http.StatusOK || header.Get("X-Granary-Ignored") != "" {
		p.t.Fatalf("write: %d %s, ignored %q\n%s", status, answer, header.Get("X-Granary-Ignored"), p.log)
	}
}

// metric is the sum of a metric of the service itself over its labels.
func (p *process) metric(name string) float64 {
	p.t.Helper()
	status, text := p.get("/metrics")
	if status != http.StatusOK {
		p.t.Fatalf("/metrics: %d %s", status, text)
	}
	sum, found := 0.0, false
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || (rest[0] != ' ' && rest[0] != '{') {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' ')+1:]), 64)
		if err != nil {
			p.t.Fatalf("/metrics: %q", line)
		}
		sum, found = sum+v, true
	}
	if !found {
		p.t.Fatalf("/metrics has no %s", name)
	}
	return sum
}

// command runs the program to its end.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), granary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// object is JSON as it is written in a test.
type object map[string]any

// configFile writes a configuration, or writes it anew, and gives its path.
func configFile(t *testing.T, path string, content object) string {
	t.Helper()
	b, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// logLines keeps what a process prints.
type logLines struct {
	mu    sync.Mutex
	cond  *sync.Cond
	text  []byte
	ended bool
}

func newLogLines() *logLines {
	l := &logLines{}
	l.cond = sync.NewCond(&l.mu)
	return l
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	l.cond.Broadcast()
	return len(b), nil
}

func (l *logLines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.cond.Broadcast()
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

func (l *logLines) find(pattern *regexp.Regexp) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return pattern.FindStringSubmatch(string(l.text))
}

// await waits for a line and gives the parts of the pattern.
func (l *logLines) await(t *testing.T, pattern *regexp.Regexp) []string {
	t.Helper()
	timer := time.AfterFunc(patience, l.cond.Broadcast)
	defer timer.Stop()
	end := time.Now().Add(patience)
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if m := pattern.FindStringSubmatch(string(l.text)); m != nil {
			return m
		}
		if l.ended || time.Now().After(end) {
			t.Fatalf("the log has no %q:\n%s", pattern, l.text)
		}
		l.cond.Wait()
	}
}
