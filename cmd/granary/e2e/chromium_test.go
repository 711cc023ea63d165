//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// browser is a headless Chromium that is driven over two pipes, by the DevTools protocol.
type browser struct {
	t       *testing.T
	cmd     *exec.Cmd
	log     *logLines
	to      *os.File
	session string // of the page

	mu      sync.Mutex
	last    int
	waiting map[int]chan message
	seen    []message // events
	ended   error
}

// message is a command's answer or an event.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// chromium is the program; the test is skipped where there is none, unless it is said to be there.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const text = "there is no Chromium on this machine (Debian: apt-get install chromium)"
	if os.Getenv("GRANARY_E2E_BROWSER") == "required" {
		t.Fatal(text)
	}
	t.Skip(text)
	return ""
}

// browse starts a browser with one empty page, whose network, console and faults are watched.
func browse(t *testing.T) *browser {
	t.Helper()
	program := chromium(t)
	commands, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, events, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, log: newLogLines(), to: to, waiting: map[int]chan message{}}
	// Root has no sandbox, and CI runs as root. What is looked at is this machine's own page.
	b.cmd = exec.Command(program, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
		"--window-size=1280,1600", "--user-data-dir="+t.TempDir(), "about:blank")
	b.cmd.ExtraFiles = []*os.File{commands, events} // 3 and 4
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	commands.Close()
	events.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.listen(from)
	}()
	t.Cleanup(func() {
		_, _ = b.send("", "Browser.close", nil) // so that its children go, too
		to.Close()
		timer := time.AfterFunc(patience, func() { _ = b.cmd.Process.Kill() })
		_ = b.cmd.Wait() // the code says nothing
		timer.Stop()
		<-done
		from.Close()
	})
	var target struct{ TargetID string }
	b.must("", "Target.createTarget", object{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.must("", "Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Network", "Page", "Log", "Runtime"} {
		b.must(b.session, domain+".enable", nil, nil)
	}
	return b
}

// listen hands out what the browser says until it ends.
func (b *browser) listen(from *os.File) {
	in := bufio.NewReader(from)
	for {
		text, err := in.ReadBytes(0)
		var m message
		if err == nil {
			err = json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m)
		}
		b.mu.Lock()
		if err != nil {
			b.ended = err
			for _, c := range b.waiting {
				close(c)
			}
			b.waiting = nil
			b.mu.Unlock()
			return
		}
		if c := b.waiting[m.ID]; c != nil {
			c <- m
			delete(b.waiting, m.ID)
		} else if m.Method != "" {
			b.seen = append(b.seen, m)
		}
		b.mu.Unlock()
	}
}

// send sends a command and waits for its answer.
func (b *browser) send(session, method string, params object) (json.RawMessage, error) {
	answer := make(chan message, 1)
	b.mu.Lock()
	if b.waiting == nil {
		b.mu.Unlock()
		return nil, b.ended
	}
	b.last++
	b.waiting[b.last] = answer
	request := object{"id": b.last, "method": method}
	if params != nil {
		request["params"] = params
	}
	if session != "" {
		request["sessionId"] = session
	}
	text, err := json.Marshal(request)
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case m, ok := <-answer:
		switch {
		case !ok:
			return nil, errors.New("the browser has ended")
		case m.Error != nil:
			return nil, errors.New(m.Error.Message)
		}
		return m.Result, nil
	case <-time.After(patience):
		return nil, fmt.Errorf("no answer in %v", patience)
	}
}

func (b *browser) must(session, method string, params object, result any) {
	b.t.Helper()
	answer, err := b.send(session, method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(answer, result)
	}
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", method, err, b.log)
	}
}

// events are the parameters of all events of a kind so far.
func (b *browser) events(method string) (all []json.RawMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.seen {
		if m.Method == method {
			all = append(all, m.Params)
		}
	}
	return all
}

// open loads a page.
func (b *browser) open(url string) {
	b.t.Helper()
	var loaded struct{ ErrorText string }
	b.must(b.session, "Page.navigate", object{"url": url}, &loaded)
	if loaded.ErrorText != "" {
		b.t.Fatalf("%s: %s", url, loaded.ErrorText)
	}
}

// value is that of an expression in the page.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value T }
		ExceptionDetails json.RawMessage
	}
	b.must(b.session, "Runtime.evaluate", object{"expression": expression, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, answer.ExceptionDetails)
	}
	return answer.Result.Value
}

// screenshot is a picture of the page, PNG.
func (b *browser) screenshot() []byte {
	b.t.Helper()
	var picture struct{ Data []byte }
	b.must(b.session, "Page.captureScreenshot", object{"format": "png"}, &picture)
	return picture.Data
}
