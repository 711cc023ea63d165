package measures

// Alive returns when the store works on: it takes every lock that a write passes through, and gives it back at once. A store whose
// committer, sequencer or shards are stuck keeps the caller until they are not, so whoever asks watches the time. A store that
// refuses writes, since its disk is full for example, is alive.
//
// It may be called once Recover has returned, by one caller at a time or several.
func (s *Store) Alive() {
	// That each could be had is what was asked. None is held while the next is waited for, so there is no order to keep, and nobody waits
	// for the caller.
	s.com.mu.Lock()
	s.com.mu.Unlock()
	s.seq.mu.Lock()
	s.seq.mu.Unlock()
	for _, sh := range s.shards {
		sh.mu.Lock()
		sh.mu.Unlock()
	}
}
