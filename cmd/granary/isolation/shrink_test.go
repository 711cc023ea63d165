package isolation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// shrinkTime bounds the search for fewer steps.
const shrinkTime = 40 * time.Second

// shrink replays fewer and fewer of the steps, as long as the fault comes back, and gives those that are left. Steps that
// were made for each other stay as they are: one whose names do not exist any more is sent all the same.
func (u *universe) shrink(d *document) string {
	at := slices.Index(u.steps, u.fault.after)
	steps, last := u.steps[:max(at, 0)], u.fault.after
	looked := strings.HasPrefix(u.fault.key, "changed") || strings.HasPrefix(u.fault.key, "fingerprints")
	again := func(list []*step) bool {
		f := replay(u.t, d, append(slices.Clone(list), last), looked, u.fault.key)
		return f != nil && f.key == u.fault.key
	}
	began, tries := time.Now(), 1
	if !again(steps) {
		return "the fault does not come back when the steps are replayed"
	}
	for size := (len(steps) + 1) / 2; size > 0; {
		less := false
		for from := 0; from < len(steps); {
			if time.Since(began) > shrinkTime {
				return told(steps, last, tries) + "(there was no time to look for fewer)"
			}
			fewer := slices.Delete(slices.Clone(steps), from, min(from+size, len(steps)))
			tries++
			if again(fewer) {
				steps, less = fewer, true
				continue
			}
			from += size
		}
		if !less || size > len(steps) {
			size /= 2
		}
	}
	return told(steps, last, tries)
}

func told(steps []*step, last *step, tries int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d steps are enough, as %d replays say:\n", len(steps)+1, tries)
	const most = 15
	if len(steps) > most {
		fmt.Fprintf(&b, "  ... (%d more)\n", len(steps)-most)
		steps = steps[len(steps)-most:]
	}
	for _, s := range append(slices.Clone(steps), last) {
		fmt.Fprintf(&b, "  %.1500v\n", s)
	}
	return b.String()
}

// replay does steps in new worlds and gives the fault that they bring. If a look at everything found it, there is one at
// the end, and what tenants have is compared with how it was before the last burst of the other.
func replay(t testing.TB, d *document, steps []*step, looked bool, key string) *fault {
	r := &replaying{TB: t}
	u := newUniverse(r, d, 1)
	defer func() {
		for _, w := range u.worlds {
			w.end()
		}
	}()
	burst := len(steps)
	for looked && burst > 0 && (steps[burst-1].tick > 0 || steps[burst-1].by.is(steps[len(steps)-1].by)) {
		burst--
	}
	var before [2][2]string
	for i, s := range steps {
		if looked && i == burst {
			before = u.looks()
		}
		u.steps = append(u.steps, s)
		u.play(s)
		if u.fault != nil && (u.fault.key != key || i < len(steps)-1) {
			u.fault = nil // another one
		}
	}
	if looked {
		after := u.looks()
		by := steps[len(steps)-1].by
		for i := range after {
			if who := 1; key == "changed" && (by.mark == "zqa" && after[i][who] != before[i][who] || by.mark != "zqa" && after[i][0] != before[i][0]) {
				u.fault = &fault{key: key}
			}
		}
		if key == "fingerprints" && after[0][0] != after[1][0] {
			u.fault = &fault{key: key}
		}
	}
	return u.fault
}

// is says whether both are the same tenant, or stand for it in different worlds.
func (p *party) is(other *party) bool { return p != nil && other != nil && p.id == other.id }

// looks are everything that A and B have, by world.
func (u *universe) looks() (all [2][2]string) {
	for i := range u.worlds {
		all[i] = [2]string{u.fingerprint(i, u.a), u.fingerprint(i, u.b[i])}
	}
	return all
}

// replaying keeps the faults of a replay out of the test.
type replaying struct{ testing.TB }

func (r *replaying) Errorf(string, ...any) {}
func (r *replaying) Cleanup(func())        {}
