package edge

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"granary/tenant/identity"
)

// ThrottleOptions bound failed attempts to be somebody.
type ThrottleOptions struct {
	Allowed int // failures of an address, or for a name, within Window; 0: nobody is ever made to wait
	Window  time.Duration
	Block   time.Duration // how long they wait then
}

// Throttle slows those who guess. It counts failures by address (of IPv6 by network of 64 bits) and, of passwords, by name; who
// has too many waits before anything is judged again. Successes cost nothing, are not counted, and are not slowed by the failures
// of others: what cannot be guessed, signed tokens, and keys and tokens of the configuration wherever they stand, is judged all the
// same (the guard asks Authority.Holds), and so is what was right before from the same address. It is safe for concurrent use.
type Throttle struct {
	o    ThrottleOptions
	seed maphash.Seed

	count atomic.Int64 // of attempts, so that nothing is locked while nobody fails
	mu    sync.Mutex
	tries map[guesser]*attempts

	// right remembers that credentials were right from where they came, by hash; each slot the last one.
	right [rightSlots]atomic.Uint64
}

const (
	maxGuessers = 1 << 14
	rightSlots  = 1 << 12
)

// guesser is an address, or a name by its hash.
type guesser struct {
	ip   netip.Addr
	user uint64
}

// attempts are the failures of a window.
type attempts struct {
	began  time.Time
	failed int
	until  time.Time // blocked; zero: not
}

// NewThrottle makes a throttle.
func NewThrottle(o ThrottleOptions) *Throttle {
	return &Throttle{o: o, seed: maphash.MakeSeed(), tries: map[guesser]*attempts{}}
}

// address is what failures of an address are counted by.
func address(ip netip.Addr) netip.Addr {
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// guessers are those whose failure a failure of this credential is: the address, and the name.
func (t *Throttle) guessers(ip netip.Addr, c identity.Credential) (list [2]guesser, n int) {
	list[0] = guesser{ip: address(ip)}
	if c.Kind != identity.Password || c.User == "" {
		return list, 1
	}
	list[1] = guesser{user: maphash.String(t.seed, c.User) | 1}
	return list, 2
}

// enter refuses a credential that may be a guess, while its address or its name has to wait. blocked says that it has to wait and may
// not be a guess: if it is wrong it is refused by late.
func (t *Throttle) enter(ip netip.Addr, c identity.Credential, now time.Time) (blocked time.Duration, err error) {
	if t == nil || t.count.Load() == 0 {
		return 0, nil
	}
	var byAddress, byName time.Duration
	list, n := t.guessers(ip, c)
	t.mu.Lock()
	for i, g := range list[:n] {
		if a := t.tries[g]; a != nil && now.Before(a.until) {
			if i == 0 {
				byAddress = a.until.Sub(now)
			} else {
				byName = a.until.Sub(now)
			}
		}
	}
	t.mu.Unlock()
	blocked = max(byAddress, byName)
	switch {
	case blocked == 0, !guessable(c):
		return blocked, nil
	case t.wasRight(ip, c) && (c.Kind != identity.Password || byAddress == 0):
		// A password that was right from here is judged though others guess at the name from elsewhere; not while this address
		// is guessing itself, for then it could try as often as it likes.
		return blocked, nil
	}
	return blocked, &TooManyFailuresError{Wait: blocked}
}

// guessable says whether a credential may be short enough to be guessed. Keys and signed tokens are not.
func guessable(c identity.Credential) bool {
	switch c.Kind {
	case identity.Bearer:
		return !strings.HasPrefix(c.Token, keyPrefix) && strings.Count(c.Token, ".") != 2
	case identity.Password:
		return true
	default:
		return false
	}
}

// hash is that of a credential at an address.
func (t *Throttle) hash(ip netip.Addr, c identity.Credential) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	b := address(ip).As16()
	_, _ = h.Write(b[:])
	_, _ = h.WriteString(c.User)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(c.Token)
	_, _ = h.WriteString(c.Password)
	return h.Sum64() | 1
}

func (t *Throttle) wasRight(ip netip.Addr, c identity.Credential) bool {
	h := t.hash(ip, c)
	return t.right[h>>1%rightSlots].Load() == h
}

// succeeded remembers that a credential was right.
func (t *Throttle) succeeded(ip netip.Addr, c identity.Credential) {
	if t == nil || !guessable(c) {
		return
	}
	h := t.hash(ip, c)
	if slot := &t.right[h>>1%rightSlots]; slot.Load() != h {
		slot.Store(h)
	}
}

// failed counts a wrong credential. The error, if there is one, takes the place of what was wrong: it has to wait.
func (t *Throttle) failed(ip netip.Addr, c identity.Credential, blocked time.Duration, now time.Time) error {
	if t == nil || t.o.Allowed <= 0 {
		return nil
	}
	if blocked > 0 {
		return &TooManyFailuresError{Wait: blocked}
	}
	list, n := t.guessers(ip, c)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range list[:n] {
		a := t.tries[g]
		if a == nil {
			t.makeRoom(now)
			a = &attempts{began: now}
			t.tries[g] = a
		}
		if now.Sub(a.began) >= t.o.Window {
			a.began, a.failed, a.until = now, 0, time.Time{}
		}
		if a.failed++; a.failed >= t.o.Allowed {
			a.began, a.failed, a.until = now.Add(t.o.Block), 0, now.Add(t.o.Block)
		}
	}
	t.count.Store(int64(len(t.tries)))
	return nil
}

// makeRoom forgets one of a few, the one that matters least, where there are too many; and in passing those that are over.
// REQUIRES: t.mu.
func (t *Throttle) makeRoom(now time.Time) {
	if len(t.tries) < maxGuessers {
		return
	}
	var oldest guesser
	var began time.Time
	looked := 0
	for g, a := range t.tries {
		if now.Sub(a.began) >= t.o.Window && !now.Before(a.until) {
			delete(t.tries, g)
		} else if began.IsZero() || a.began.Before(began) {
			oldest, began = g, a.began // one that is blocked began in the future
		}
		if looked++; looked == 32 {
			break
		}
	}
	if len(t.tries) >= maxGuessers {
		delete(t.tries, oldest)
	}
}

// TooManyFailuresError refuses who has failed too often to be somebody, before anything is judged.
type TooManyFailuresError struct{ Wait time.Duration }

func (e *TooManyFailuresError) Error() string {
	return fmt.Sprintf("too many failed attempts; try again in %v (setting granary.identity.failures)", e.Wait.Round(time.Second))
}

// Kind implements the kinds of errors.
func (*TooManyFailuresError) Kind() string { return string(OverLimit) }

// Code implements the codes of errors.
func (*TooManyFailuresError) Code() string { return "too-many-failures" }

// RetryAfter is how long to wait.
func (e *TooManyFailuresError) RetryAfter() time.Duration { return e.Wait }

// Problem names the setting.
func (*TooManyFailuresError) Problem() map[string]any {
	return map[string]any{"setting": "granary.identity.failures"}
}
