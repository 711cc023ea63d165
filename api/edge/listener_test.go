package edge

import (
	"errors"
	"io"
	"net"
	"testing"
)

// TestConnections: a connection beyond the bound waits until another is closed, one too many of an address is closed at once, and
// those of a proxy are not counted.
func TestConnections(t *testing.T) {
	listen := func(o ConnectionOptions) (*Connections, chan net.Conn) {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c := LimitConnections(l, o)
		accepted := make(chan net.Conn)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := c.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				accepted <- conn
			}
		}()
		t.Cleanup(func() {
			_ = c.Close()
			<-done
		})
		return c, accepted
	}
	dial := func(c *Connections) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", c.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	closed := func(conn net.Conn) {
		t.Helper()
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && err == nil {
			t.Error("it is open")
		}
	}

	c, accepted := listen(ConnectionOptions{Max: 2})
	dial(c)
	dial(c)
	first, second := <-accepted, <-accepted
	dial(c)
	if c.Open() != 2 || len(c.room) != 2 {
		t.Errorf("%d open", c.Open())
	}
	_ = first.Close()
	_ = first.Close() // gives its place back once
	third := <-accepted
	if c.Open() != 2 {
		t.Errorf("%d open", c.Open())
	}
	_, _ = second.Close(), third.Close()

	c, accepted = listen(ConnectionOptions{PerAddress: 1})
	dial(c)
	first = <-accepted
	closed(dial(c))
	if c.Refused() != 1 || c.Open() != 1 {
		t.Errorf("%d refused, %d open", c.Refused(), c.Open())
	}
	_ = first.Close()
	dial(c)
	_ = (<-accepted).Close()
	if len(c.addresses) != 0 {
		t.Errorf("%v", c.addresses)
	}

	c, accepted = listen(ConnectionOptions{PerAddress: 1, Exempt: Loopback})
	dial(c)
	dial(c)
	_, _ = (<-accepted).Close(), (<-accepted).Close()
}
