package measures

import (
	"testing"
	"time"
)

// TestAlive: as long as anything that a write passes through is held, the store is not said to be alive, and it is again as soon as that is given back.
func TestAlive(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	s.Alive()
	for name, l := range map[string]interface {
		Lock()
		Unlock()
	}{"committer": &s.com.mu, "sequencer": &s.seq.mu, "shard": &s.shards[len(s.shards)-1].mu} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			l.Lock()
			go func() { s.Alive(); close(done) }()
			select {
			case <-done:
				t.Error("alive though it is held")
			case <-time.After(20 * time.Millisecond):
			}
			l.Unlock()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("not alive though nothing is held")
			}
		})
	}
}
