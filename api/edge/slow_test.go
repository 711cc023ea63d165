package edge

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// oneConn is a listener that has one connection.
type oneConn struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *oneConn) Close() error   { close(l.done); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestSlowBodies: a sender that drips is cut off when the time to read is over, however often it sends; its body is one that
// was cut short, and its room is free again.
func TestSlowBodies(t *testing.T) {
	for name, encoding := range map[string]string{"plain": "", "gzip": "gzip", "zstd": "zstd", "deflate": "deflate"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bodies := NewBodies(BodyOptions{})
				cut := make(chan error, 1)
				s := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, err := bodies.Read(r)
					if err != nil {
						cut <- err
						return
					}
					why := body.Cut
					body.Free()
					cut <- why
				}), ServerOptions{Read: 30 * time.Second})
				client, server := net.Pipe()
				l := &oneConn{conns: make(chan net.Conn, 1), done: make(chan struct{})}
				l.conns <- server
				served := make(chan struct{})
				go func() { _ = s.Serve(l); close(served) }()
				answered := make(chan struct{})
				go func() { _, _ = io.Copy(io.Discard, bufio.NewReader(client)); close(answered) }()
				begin := time.Now()
				head := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
				if encoding != "" {
					head += "Content-Encoding: " + encoding + "\r\n"
				}
				_, err := io.WriteString(client, head+"\r\n")
				dripped := make(chan struct{})
				go func() {
					defer close(dripped)
					drip := strings.NewReader(string(map[string][]byte{"": []byte(strings.Repeat("x", 1000)), "gzip": gzipped(t, make([]byte, 1000)), "zstd": zstded(t, make([]byte, 1000)), "deflate": zlibbed(t, make([]byte, 1000))}[encoding]))
					for range drip.Len() - 8 { // never its end
						time.Sleep(4 * time.Second)
						if _, err := io.CopyN(client, drip, 1); err != nil {
							return
						}
					}
				}()
				if got := <-cut; got == nil || err != nil {
					t.Errorf("the body is whole: %v, %v", got, err)
				}
				if took := time.Since(begin); took != 30*time.Second {
					t.Errorf("cut off after %v", took)
				}
				if bodies.Held() != 0 {
					t.Errorf("%d bytes are held", bodies.Held())
				}
				_ = s.Close()
				_ = client.Close()
				<-served
				<-answered
				<-dripped
			})
		})
	}
}
