package edge

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// ConnectionOptions bound the connections of a listener.
type ConnectionOptions struct {
	Max        int     // in all; others wait until one is closed; 0: no bound
	PerAddress int     // of one address, of IPv6 of one network of 64 bits; others are closed at once; 0: no bound
	Exempt     Proxies // whose connections stand for many clients and are not counted by address
}

// Connections is a listener whose connections are bounded, so that a flood of them takes neither the memory nor all the files of
// the process.
type Connections struct {
	net.Listener
	o      ConnectionOptions
	room   chan struct{} // nil: no bound
	closed chan struct{}
	once   sync.Once

	open, refused atomic.Int64

	mu        sync.Mutex
	addresses map[netip.Addr]int
}

// LimitConnections bounds the connections of a listener.
func LimitConnections(l net.Listener, o ConnectionOptions) *Connections {
	c := &Connections{Listener: l, o: o, closed: make(chan struct{}), addresses: map[netip.Addr]int{}}
	if o.Max > 0 {
		c.room = make(chan struct{}, o.Max)
	}
	return c
}

// Open and Refused count the connections that there are, and those that were closed at once.
func (c *Connections) Open() int64 { return c.open.Load() }

// Refused counts the connections that were closed because their address had too many.
func (c *Connections) Refused() int64 { return c.refused.Load() }

// Accept implements net.Listener.
func (c *Connections) Accept() (net.Conn, error) {
	if c.room != nil {
		select {
		case c.room <- struct{}{}:
		case <-c.closed:
			return nil, net.ErrClosed
		}
	}
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			c.leave()
			return nil, err
		}
		ip := addressOf(conn.RemoteAddr().String())
		if c.o.PerAddress <= 0 || !ip.IsValid() || c.o.Exempt.contains(ip) {
			c.open.Add(1)
			return &connection{Conn: conn, of: c}, nil
		}
		if ip = address(ip); c.enter(ip) {
			c.open.Add(1)
			return &connection{Conn: conn, of: c, ip: ip}, nil
		}
		c.refused.Add(1)
		_ = conn.Close() // nothing was said on it
	}
}

func (c *Connections) enter(ip netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.addresses[ip] >= c.o.PerAddress {
		return false
	}
	c.addresses[ip]++
	return true
}

func (c *Connections) leave() {
	if c.room != nil {
		<-c.room
	}
}

// Close implements net.Listener.
func (c *Connections) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Listener.Close()
}

// connection gives its place back when it is closed.
type connection struct {
	net.Conn
	of   *Connections
	ip   netip.Addr // invalid: not counted by address
	once sync.Once
}

// Close implements net.Conn.
func (c *connection) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		if c.ip.IsValid() {
			c.of.mu.Lock()
			if c.of.addresses[c.ip]--; c.of.addresses[c.ip] == 0 {
				delete(c.of.addresses, c.ip)
			}
			c.of.mu.Unlock()
		}
		c.of.open.Add(-1)
		c.of.leave()
	})
	return err
}
