package isolation_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// request is one request as it is sent, so that also what no client would send can be.
type request struct {
	op     string // operation of the document, for reports and counts
	method string
	target string // path and query
	header []field
	body   string
}

type field struct{ name, value string }

func (r *request) set(name, value string) { r.header = append(r.header, field{name, value}) }

// text is the request as a report shows it.
func (r *request) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.method, r.target)
	for _, f := range r.header {
		fmt.Fprintf(&b, " | %s: %s", f.name, f.value)
	}
	if r.body != "" {
		fmt.Fprintf(&b, " | %.2000q", r.body)
	}
	text := b.String()
	for _, c := range slices.Concat(credentials("a"), credentials("b"), []credential{operator}) {
		text = strings.ReplaceAll(text, c.secret, "<"+c.subject+">")
	}
	return text
}

// answer is what came back.
type answer struct {
	status int // 0: the connection ended
	header http.Header
	body   []byte // without its Content-Encoding
	err    error
}

// text is everything that whoever asked can see, but the date.
func (a *answer) text() string {
	if a.err != nil {
		return "the connection ended: " + a.err.Error()
	}
	names := make([]string, 0, len(a.header))
	for name := range a.header {
		if name != "Date" && name != "Content-Length" { // which says no more than the body
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString(strconv.Itoa(a.status))
	for _, name := range names {
		fmt.Fprintf(&b, "\n%s: %q", name, a.header[name])
	}
	b.WriteString("\n\n")
	b.Write(a.body)
	return b.String()
}

// wire sends requests over one connection as long as it lasts.
type wire struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// do sends a request. One that finds the kept connection ended is sent over another one.
func (w *wire) do(r *request) *answer {
	kept := w.conn != nil
	a, sent := w.try(r)
	if a.err != nil {
		w.close()
		if kept && !sent {
			a, _ = w.try(r)
			if a.err != nil {
				w.close()
			}
		}
	}
	return a
}

// try sends a request, and says whether the other end had anything to say about it.
func (w *wire) try(r *request) (a *answer, heard bool) {
	if w.conn == nil {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			return &answer{err: err}, false
		}
		w.conn, w.in = conn, bufio.NewReader(conn)
	}
	_ = w.conn.SetDeadline(time.Now().Add(patience))
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: localhost:8082\r\n", r.method, r.target) // answers with addresses are the same in all worlds
	length := true
	for _, f := range r.header {
		fmt.Fprintf(&b, "%s: %s\r\n", f.name, f.value)
		length = length && !strings.EqualFold(f.name, "Content-Length") && !strings.EqualFold(f.name, "Transfer-Encoding")
	}
	if length && (r.body != "" || r.method == "POST" || r.method == "PATCH" || r.method == "PUT") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n" + r.body)
	if _, err := w.conn.Write(b.Bytes()); err != nil {
		return &answer{err: err}, false
	}
	res, err := http.ReadResponse(w.in, &http.Request{Method: r.method})
	for err == nil && res.StatusCode == http.StatusContinue {
		res, err = http.ReadResponse(w.in, &http.Request{Method: r.method})
	}
	if err != nil {
		return &answer{err: err}, false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return &answer{err: err}, true
	}
	if res.Close {
		w.close()
	}
	if res.Header.Get("Content-Encoding") == "gzip" && r.method != "HEAD" {
		if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			if plain, err := io.ReadAll(z); err == nil {
				body = plain
			}
		}
	}
	return &answer{status: res.StatusCode, header: res.Header, body: body}, true
}

// patience bounds every wait; none lasts that long unless something is broken.
const patience = 30 * time.Second
