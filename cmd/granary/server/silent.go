package server

import (
	"net"
	"net/http"
	"sync"
)

// silent are the connections on which nothing has been sent yet. http.Server takes them for busy until they are five
// seconds old, which would hold up every stop: clients open connections ahead of what they have to say.
type silent struct {
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	stopping bool
}

// watch hears of each change in the state of a connection.
func (s *silent) watch(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(s.conns, c)
	case s.stopping:
		_ = c.Close() // nothing has been said on it
	default:
		if s.conns == nil {
			s.conns = make(map[net.Conn]struct{})
		}
		s.conns[c] = struct{}{}
	}
}

// close closes them all, and those that come later.
func (s *silent) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for c := range s.conns {
		_ = c.Close()
	}
}
