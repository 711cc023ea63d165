package isolation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/openapi/openapitest"
)

// step is one request, and where it is sent.
type step struct {
	number int
	world  int // -1: both
	by     *party
	r      *request
	tick   time.Duration // nothing is sent; the clock goes on
	start  bool          // nothing is sent; the services are started anew
}

func (s *step) String() string {
	switch {
	case s.tick > 0:
		return fmt.Sprintf("%d: the clock goes on by %v", s.number, s.tick)
	case s.start:
		return fmt.Sprintf("%d: the services are started anew", s.number)
	case s.world < 0:
		return fmt.Sprintf("%d: %s", s.number, s.r.text())
	}
	return fmt.Sprintf("%d: in world %d alone: %s", s.number, s.world+1, s.r.text())
}

// universe is two worlds in which tenant A is the same and tenant B is not.
type universe struct {
	t      testing.TB
	d      *document
	clock  *clock
	worlds [2]*world
	a      *party
	b      [2]*party
	op     *party // who runs the service, and sees everything
	lot    lot

	steps   []*step
	done    map[string]int // successes by operation
	answers map[int]int    // by status
	fault   *fault
	broken  map[string]string // answers that are not as the document says, by operation and status
}

// fault is what should not be.
type fault struct {
	after *step
	what  string
	key   string // the same for the same kind of fault
}

func newUniverse(t testing.TB, d *document, seed uint64) *universe {
	u := &universe{t: t, d: d, clock: newClock(), done: map[string]int{}, answers: map[int]int{}, broken: map[string]string{}}
	u.a = newParty("tenant-a", "ca", "zqa", seed, 1e6)
	u.b[0] = newParty("tenant-b", "cb", "zqb1", seed, 7e8)
	u.b[1] = newParty("tenant-b", "cb", "zqb2", seed+1, 3e11)
	// A is told what the B of the first world has. In the second one the same names are those of nothing.
	u.a.other, u.b[0].other, u.b[1].other = u.b[0], u.a, u.a
	u.a.credentials, u.b[0].credentials, u.b[1].credentials = credentials("a"), credentials("b"), credentials("b")
	u.op = newParty("_ops", "co", "zqg", seed, 5)
	u.op.other, u.op.credentials, u.op.all = u.a, []credential{operator}, true
	uuid.SetRand(&u.lot)
	t.Cleanup(func() { uuid.SetRand(nil) })
	for i := range u.worlds {
		u.worlds[i] = newWorld(t, fmt.Sprint(i+1), u.clock, d.strict)
	}
	return u
}

func (u *universe) faultf(s *step, key, format string, args ...any) {
	if u.fault == nil {
		u.fault = &fault{after: s, key: key, what: fmt.Sprintf(format, args...)}
	}
}

// run does a step and holds the answers against each other.
func (u *universe) run(s *step) {
	s.number = len(u.steps)
	u.steps = append(u.steps, s)
	u.play(s)
}

// play does a step, in this run or in one that replays another.
func (u *universe) play(s *step) {
	switch {
	case s.tick > 0:
		u.clock.advance(s.tick)
		return
	case s.start:
		for _, w := range u.worlds {
			w.restart()
		}
		return
	}
	var texts [2]string
	for i, w := range u.worlds {
		if s.world >= 0 && s.world != i {
			continue
		}
		u.lot.throw(s.number)
		a := w.send(s.r)
		texts[i] = settled(a.text())
		if s.world < 0 {
			texts[i] = w.alias.learn(s.number, texts[i])
		}
		u.take(s, i, a, texts[i])
		u.look(s, i, a, texts[i])
	}
	if s.world < 0 && inOrder(texts[0]) != inOrder(texts[1]) && !u.differs(s, texts[0]) {
		u.faultf(s, "difference "+s.r.op, "%s\nis answered, in world 1\n%s\nand in world 2\n%s", s.r.text(), cut(texts[0]), cut(texts[1]))
	}
}

// look looks for what is somebody else's in an answer.
func (u *universe) look(s *step, world int, a *answer, text string) {
	u.answers[a.status]++
	if a.status == 500 && !strings.Contains(text, "strconv.ParseInt") { // with which cc-metric-store answers a number that is none
		u.faultf(s, "500 "+s.r.op, "%s\nis answered\n%s\n%s", s.r.text(), text, cut(u.worlds[world].log.take()))
	}
	var leaks []string
	switch s.by {
	case nil: // nobody, who may have said a word that he was told
		for _, w := range marked.FindAllString(text, -1) {
			if !strings.Contains(s.r.text()+s.r.said(), w) {
				leaks = append(leaks, w)
			}
		}
	default:
		leaks = s.by.leaks(text)
	}
	if len(leaks) > 0 {
		u.faultf(s, "leak "+s.r.op, "%s\nis answered with %q of somebody else, in world %d\n%s", s.r.text(), leaks, world+1, cut(text))
	}
	path, _, _ := strings.Cut(s.r.target, "?")
	if _, found, _ := u.d.contract.Find(s.r.method, path); found && s.number%5 == 0 && !(u.d.strict && strings.HasPrefix(path, "/hawkular")) && a.err == nil && !strings.HasSuffix(path, "/") && !early(a) {
		if err := u.d.contract.Check(openapitest.Answer{Method: s.r.method, Path: path, Status: a.status, Header: a.header, Body: a.body}); err != nil {
			u.broken[fmt.Sprint(s.r.op, " ", a.status)] = fmt.Sprintf("%s\n%v", s.r.text(), err)
		}
	}
}

// early says whether the answer is given before there is an operation: by net/http itself, to a path that is not clean, to a method that
// the path does not have.
func early(a *answer) bool {
	return slices.Contains([]int{307, 405, 417}, a.status) || a.status == 400 && strings.HasPrefix(a.header.Get("Content-Type"), "text/plain")
}

// differs says whether the answer may differ between the worlds, since it is about the whole service.
func (u *universe) differs(s *step, text string) bool {
	if strings.Contains(s.r.target, "/v2/keys?") && s.r.method != "POST" {
		return true // which of them come first is left to chance
	}
	if strings.Contains(s.r.target, "/v2/usage") && strings.Contains(text, "csv") {
		return true // what was read is accounted for later, and has no name there
	}
	return s.by.sees()
}

func cut(s string) string {
	if len(s) > 6000 {
		return s[:3000] + "\n...\n" + s[len(s)-3000:]
	}
	return s
}
