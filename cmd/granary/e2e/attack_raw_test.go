//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rawConn is a connection on which anything can be said.
type rawConn struct {
	net.Conn
	in *bufio.Reader
}

func (p *process) dial() *rawConn {
	p.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &rawConn{c, bufio.NewReader(c)}
}

// answers reads answers until the other end closes, or until there are enough.
func (c *rawConn) answers(most int) (list []string) {
	for len(list) < most {
		res, err := http.ReadResponse(c.in, nil)
		if err != nil {
			return list
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return append(list, fmt.Sprint(res.StatusCode, " cut"))
		}
		list = append(list, fmt.Sprint(res.StatusCode, " ", strings.TrimSpace(string(body))))
	}
	return list
}

// say writes; the other end may have closed already, which answers shows.
func (c *rawConn) say(text string) { _, _ = io.WriteString(c, text) }

// TestSmuggling says what two servers in a row could understand in two ways. The service must understand it in the one way that
// RFC 9112 has, or refuse it and close the connection: what stands behind must never be taken for a request.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	p := serve(t, "", filepath.Join(t.TempDir(), "data"))
	const inner = "GET /v2/status HTTP/1.1\r\nHost: localhost\r\nTenant: smuggled\r\n\r\n"
	const write = "POST /v2/measures HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
	for _, c := range []struct {
		name, text string
		first      string // status of the first answer
		others     int    // how many answers may follow
	}{
		{"two lengths", write + "Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + inner, "400", 0},
		{"a list of lengths", write + "Content-Length: 0, 60\r\n\r\n" + inner, "400", 0},
		{"a length with a sign", write + "Content-Length: +0\r\n\r\n" + inner, "400", 0},
		{"a length that is negative", write + "Content-Length: -1\r\n\r\n" + inner, "400", 0},
		{"a hexadecimal length", write + "Content-Length: 0x0\r\n\r\n" + inner, "400", 0},
		{"a length with a space in it", write + "Content-Length: 1 0\r\n\r\n" + inner, "400", 0},
		{"a huge length", write + "Content-Length: 99999999999999999999\r\n\r\n" + inner, "400", 0},
		// With both, chunks count: what follows the last one is another request, as it is for a proxy that follows the rules.
		{"length and chunks", write + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner, "200", 1},
		{"chunks of an unknown kind", write + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner, "501", 0},
		{"chunks twice", write + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner, "501", 0},
		{"chunks and something else", write + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + inner, "501", 0},
		{"something else and chunks", write + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + inner, "501", 0},
		{"chunks behind a tab", write + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + inner, "400", 0},
		{"chunks with a space before the colon", write + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner, "400", 0},
		// What is folded is part of the value, so there are no chunks.
		{"a folded field", write + "X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + inner, "200", 1},
		{"a chunk of a size with a sign", write + "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + inner, "400", 0},
		{"a chunk of a huge size", write + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n" + inner, "400", 0},
		{"a chunk of a hexadecimal size with a prefix", write + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + inner, "400", 0},
		{"a chunk that is longer than its size", write + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" + inner, "400", 0},
		{"a nul in a field", "GET /readyz HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n" + inner, "400", 0},
		{"a carriage return in a field", "GET /readyz HTTP/1.1\r\nHost: localhost\r\nX: a\rTenant: b\r\n\r\n" + inner, "400", 0},
		{"no host", "GET /readyz HTTP/1.1\r\n\r\n" + inner, "400", 0},
		{"two hosts", "GET /readyz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + inner, "400", 0},
		{"a host with a path", "GET /readyz HTTP/1.1\r\nHost: a/b\r\n\r\n" + inner, "400", 0},
		{"a name that is no token", "GET /readyz HTTP/1.1\r\nHost: a\r\nTen ant: b\r\n\r\n" + inner, "400", 0},
		{"a field without a name", "GET /readyz HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n" + inner, "400", 0},
		{"a path with a space", "GET /readyz /x HTTP/1.1\r\nHost: a\r\n\r\n" + inner, "400", 0},
		{"a path with a control character", "GET /read\x01yz HTTP/1.1\r\nHost: a\r\n\r\n" + inner, "400", 0},
		{"a version that does not exist", "GET /readyz HTTP/3.7\r\nHost: a\r\n\r\n" + inner, "505", 0},
		{"no version", "GET /readyz\r\n\r\n" + inner, "400", 0},
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + inner, "404", 0},
		{"the hello of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" + inner, "400", 0},
		{"what expects something", write + "Expect: 200-ok\r\nContent-Length: 5\r\n\r\n" + inner, "417", 0},
	} {
		conn := p.dial()
		conn.say(c.text)
		if tcp, ok := conn.Conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		got := conn.answers(5)
		switch {
		case len(got) == 0 || !strings.HasPrefix(got[0], c.first):
			t.Errorf("%s: %.300q", c.name, got)
		case len(got)-1 > c.others:
			t.Errorf("%s: what stands behind is answered: %.300q", c.name, got)
		}
	}
	p.alive()
}

// TestPipelining sends many requests before it reads an answer. They are answered in their order, each with its own.
func TestPipelining(t *testing.T) {
	t.Parallel()
	p := serve(t, "", filepath.Join(t.TempDir(), "data"))
	conn := p.dial()
	const n = 500
	var b bytes.Buffer
	for i := range n {
		if i%2 == 0 {
			body := fmt.Sprintf("m%d value=1", i)
			fmt.Fprintf(&b, "POST /v2/measures HTTP/1.1\r\nHost: localhost\r\nTenant: t%d\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", i%10, len(body), body)
		} else {
			fmt.Fprintf(&b, "GET /v2/metrics?name=%d HTTP/1.1\r\nHost: localhost\r\nTenant: nobody-%d\r\n\r\n", i, i)
		}
	}
	go conn.say(b.String())
	got := conn.answers(n)
	if len(got) != n {
		t.Fatalf("%d answers to %d requests", len(got), n)
	}
	for i, a := range got {
		if want := map[bool]string{true: `"stored":1`, false: `{"metrics":[]}`}[i%2 == 0]; !strings.HasPrefix(a, "200") || !strings.Contains(a, want) {
			t.Fatalf("request %d: %s", i, a)
		}
	}
}

// TestGiants sends requests whose parts are too large, and others with as much as is allowed. Each is refused by its status,
// and none takes memory for long.
func TestGiants(t *testing.T) {
	t.Parallel()
	p := serve(t, "", filepath.Join(t.TempDir(), "data"))
	for _, c := range []struct {
		name, text, want string
	}{
		{"a long path", "GET /v2/" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "431"},
		{"a long query", "GET /v2/metrics?name=" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "431"},
		{"many parameters", "GET /v2/metrics?" + strings.Repeat("name=a&", 8000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "200"},
		{"many other parameters", "GET /v2/metrics?" + strings.Repeat("x=a&", 8000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"},
		{"a selector as deep as can be", "GET /v2/metrics?selector=" + strings.Repeat("%28", 10000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"},
		{"a long field", "GET /v2/metrics HTTP/1.1\r\nHost: localhost\r\nTenant: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "431"},
		{"many fields", "GET /v2/metrics HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("Tenant: a\r\n", 100_000) + "\r\n", "431"},
		{"a tenant in very many fields", "GET /v2/metrics HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("Tenant: a\r\n", 4000) + "\r\n", "200"},
		{"a token of a megabyte", "GET /v2/metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "431"},
		{"a body that is announced and too large", "POST /v2/measures HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n", "413"},
		{"trailers without end", "POST /v2/measures HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 200_000) + "\r\n", "400"},
		{"extensions of chunks", "POST /v2/measures HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 1<<20) + "\r\n[\r\n0\r\n\r\n", "400"},
		{"very small chunks", "POST /v2/measures HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n \r\n", 40_000) + "0\r\n\r\n", "400"},
	} {
		conn := p.dial()
		go conn.say(c.text)
		got := conn.answers(1)
		if len(got) == 0 && c.want == "431" {
			got = []string{c.want} // it was closed while we were still talking, and what was said before is lost
		}
		if len(got) == 0 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%s: %.300q, not %s", c.name, got, c.want)
		}
		_ = conn.Close()
	}
	if held := p.metric("granary_bodies_held_bytes"); held != 0 {
		t.Errorf("%v bytes of bodies are held", held)
	}
	p.alive()
}

// TestBytesInHeaders: header fields may hold any bytes; those that are no tenant are none, and those that are one are it alone.
func TestBytesInHeaders(t *testing.T) {
	t.Parallel()
	p := serve(t, "", filepath.Join(t.TempDir(), "data"))
	ask := func(tenant string) string {
		conn := p.dial()
		defer conn.Close()
		body := "m value=1"
		conn.say(fmt.Sprintf("POST /v2/measures HTTP/1.1\r\nHost: localhost\r\nTenant: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", tenant, len(body), body))
		got := conn.answers(1)
		if len(got) == 0 {
			return "closed"
		}
		return got[0]
	}
	for tenant, want := range map[string]string{
		"münchen": "200", "租户": "200", "ａ": "200", "a b": "200", `a\b"c`: "200", "..": "200", "%2e%2e": "200", "a;b=c, d": "200", "\t a \t": "200",
		"": "400", "../x": "400", "a/b": "400", strings.Repeat("x", 300): "400", "m\xfcnchen": "400", "\xff\xfe": "400", "a\u200b": "400", "\u202ea": "400", "mu\u0308nchen": "400", "a\x7f": "400", "a\x00": "400",
	} {
		if got := ask(tenant); !strings.HasPrefix(got, want) {
			t.Errorf("%+q: %.300s, not %s", tenant, got, want)
		}
	}
	// What each of these made is its own: as many tenants as there were different ids.
	if n := p.metric("granary_tenants"); n != 9 {
		t.Errorf("%v tenants", n)
	}
}
