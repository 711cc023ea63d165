//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cluster is the cluster of all that the crash tests send.
const cluster = "e2e"

// ledger knows what was sent, what was promised, and what was seen. A sample has versions: a slot is written again with
// the next one, by the same sender, which waits for each answer. So of the versions between the one that is sure to
// be there and the newest that was tried any may be there, and no other value.
type ledger struct {
	mu    sync.Mutex
	hosts []*host
	count int // series
}

// host is one node; its series have the same slots.
type host struct {
	name   string
	series []*series
	round  int // in which it was made
	next   int // slot, while one sender has the host to itself; that sender's
}

// series is one series with its slots. Slot k is at base + k*step seconds, and what is sent for it at most jitter
// seconds off.
type series struct {
	l            *ledger
	number       uint64
	key          string // a line begins with it
	selector     selector
	base         int64
	step, jitter int64

	// Under l.mu, by slot.
	sure     []uint8 // version that must be there, or a newer one; 0: none
	tried    []uint8 // newest version that was sent
	promised []uint8 // version that must be there in the end
}

// kinds are the series of a host.
var kinds = []struct {
	metric, typ, id string
	step, jitter    int64
}{
	{"load_one", "", "", 1, 0},
	{"net_bw", "", "", 10, 2},
	{"flops_any", "hwthread", "0", 1, 0},
	{"flops_any", "hwthread", "1", 1, 0},
	{"flops_any", "hwthread", "2", 1, 0},
	{"acc_power", "accelerator", "00000000:49:00.0", 10, 2},
}

// maxSlots keeps the newest slot in the past, and the oldest within the retention: 50,000 slots of 10 s are 5.8 days.
const maxSlots = 50_000

// crashMetrics is the section metrics for the kinds.
var crashMetrics = object{
	"load_one":  object{"frequency": 1, "aggregation": "avg"},
	"net_bw":    object{"frequency": 10, "aggregation": "sum"},
	"flops_any": object{"frequency": 1, "aggregation": "sum"},
	"acc_power": object{"frequency": 10, "aggregation": "sum"},
}

// newHost makes a host. Its name and the numbers of its series depend on how many there are.
func (l *ledger) newHost(round int) *host {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &host{name: fmt.Sprintf("n%05d", len(l.hosts)), round: round}
	for _, k := range kinds {
		s := &series{l: l, number: uint64(l.count), step: k.step, jitter: k.jitter, selector: selector{Metric: k.metric, Host: h.name, Type: k.typ}}
		l.count++
		s.base = (epoch - maxSlots*k.step) / 10 * 10
		s.key = k.metric + ",cluster=" + cluster + ",hostname=" + h.name
		if k.typ != "" {
			s.key += ",type=" + k.typ + ",type-id=" + k.id
			s.selector.TypeIDs = []string{k.id}
		}
		h.series = append(h.series, s)
	}
	l.hosts = append(l.hosts, h)
	return h
}

// epoch is behind every slot.
var epoch = time.Now().Unix()

// all is a copy of the list of hosts.
func (l *ledger) all() []*host {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*host(nil), l.hosts...)
}

// mix is one step of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (s *series) hash(slot int, version uint8) uint64 {
	return mix(s.number<<40 ^ uint64(slot)<<8 ^ uint64(version))
}

// value is what a version of a slot holds, in thousandths.
func (s *series) value(slot int, version uint8) int64 {
	return int64(s.hash(slot, version) % 1_000_000)
}

// try notes that the next version of a slot is sent, and gives it. REQUIRES: l.mu.
func (s *series) try(slot int) uint8 {
	for len(s.tried) <= slot {
		s.tried, s.sure, s.promised = append(s.tried, 0), append(s.sure, 0), append(s.promised, 0)
	}
	s.tried[slot]++
	return s.tried[slot]
}

// appendLine appends the line of a version of a slot.
func (s *series) appendLine(b []byte, slot int, version uint8) []byte {
	v := s.value(slot, version)
	b = append(b, s.key...)
	b = append(b, " value="...)
	b = strconv.AppendInt(b, v/1000, 10)
	b = append(b, '.', byte('0'+v/100%10), byte('0'+v/10%10), byte('0'+v%10), ' ')
	t := s.base + int64(slot)*s.step
	if s.jitter > 0 {
		t += int64(s.hash(slot, version)>>32%uint64(2*s.jitter+1)) - s.jitter
	}
	b = strconv.AppendInt(b, t, 10)
	return append(b, '\n')
}

// written is one sample of a body.
type written struct {
	s       *series
	slot    int
	version uint8
}

// acknowledged notes that the samples must be readable from now on.
func (l *ledger) acknowledged(list []written) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range list {
		w.s.sure[w.slot] = max(w.s.sure[w.slot], w.version)
	}
}

// promise notes that the samples must be readable when fulfil has been called.
func (l *ledger) promise(list []written) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range list {
		w.s.promised[w.slot] = max(w.s.promised[w.slot], w.version)
	}
}

// fulfil says that all promises should be kept by now.
func (l *ledger) fulfil() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.hosts {
		for _, s := range h.series {
			for k, v := range s.promised {
				s.sure[k] = max(s.sure[k], v)
			}
		}
	}
}

// length is the number of slots that were tried.
func (l *ledger) length(h *host) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, s := range h.series {
		n = max(n, len(s.tried))
	}
	return n
}

// faults are what a check has found; it is shared by the goroutines of a test.
type faults struct {
	t       *testing.T
	mu      sync.Mutex
	count   int
	checked atomic.Int64 // samples that were sure
}

func (f *faults) addf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count++; f.count <= 20 {
		f.t.Errorf(format, args...)
	}
}

func (f *faults) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count > 0
}

// check asks for the slots from low to high of hosts and compares them with what the ledger allows. What was seen is sure
// from then on. With still, nothing is being written: what is not there now must not appear later, and asking twice
// must give the same bytes. It returns false if the server did not answer, which is a fault only if still.
func (l *ledger) check(p *process, f *faults, hosts []*host, low, high int, still bool) bool {
	for len(hosts) > 0 {
		part := hosts[:min(len(hosts), 20)]
		hosts = hosts[len(part):]
		for _, step := range [...]int64{1, 10} {
			var list []*series
			for _, h := range part {
				for _, s := range h.series {
					if s.step == step {
						list = append(list, s)
					}
				}
			}
			if !l.checkSeries(p, f, list, low, high, still) {
				return false
			}
		}
	}
	return true
}

// checkSeries is check for series of one step.
func (l *ledger) checkSeries(p *process, f *faults, list []*series, low, high int, still bool) bool {
	q := question{Cluster: cluster, From: list[0].base + int64(low)*list[0].step, To: list[0].base + int64(high)*list[0].step}
	before := make([][]uint8, len(list))
	l.mu.Lock()
	for i, s := range list {
		q.Queries = append(q.Queries, s.selector)
		before[i] = append(before[i], s.sure[min(low, len(s.sure)):min(high, len(s.sure))]...)
	}
	l.mu.Unlock()
	status, answer := p.ask(q)
	if status != http.StatusOK {
		if still || (status != 0 && status != http.StatusServiceUnavailable) {
			f.addf("query: %d %.300s", status, answer)
		}
		return false
	}
	if still {
		if status, again := p.ask(q); status != http.StatusOK || string(again) != string(answer) {
			f.addf("the same query gives another answer: %d %.300s, then %d %.300s", http.StatusOK, answer, status, again)
		}
	}
	rows, err := results(answer)
	if err != nil || len(rows) != len(list) {
		f.addf("%d results for %d queries: %v", len(rows), len(list), err)
		return false
	}
	var column []int64
	for i, s := range list {
		column = column[:0]
		first := low
		switch {
		case len(rows[i]) > 1 || (len(rows[i]) == 1 && rows[i][0].Error != nil):
			f.addf("%s: %+v", s.key, rows[i])
			continue
		case len(rows[i]) == 1:
			r := rows[i][0]
			if column, err = thousandths(column, r.Data); err != nil {
				f.addf("%s: %v", s.key, err)
				continue
			}
			if len(column) > 0 && r.Resolution != s.step {
				f.addf("%s: resolution %d, want %d", s.key, r.Resolution, s.step)
				continue
			}
			first = int(floorDiv(r.From-s.base+s.step/2, s.step))
		}
		l.compare(f, s, before[i], low, first, column, still)
	}
	return true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// compare holds one column, whose first value is that of a slot, against the ledger. before is what was sure from slot low
// on when the question was asked.
func (l *ledger) compare(f *faults, s *series, before []uint8, low, first int, column []int64, still bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := func(slot int) int64 {
		if i := slot - first; i >= 0 && i < len(column) {
			return column[i]
		}
		return hole
	}
	sure := int64(0)
	for i := range before {
		slot := low + i
		got := at(slot)
		if before[i] > 0 {
			sure++
		}
		if got == hole {
			if before[i] > 0 {
				f.addf("%s, slot %d (%d): version %d is missing", s.key, slot, s.base+int64(slot)*s.step, before[i])
			}
			if still {
				s.tried[slot] = 0
			}
			continue
		}
		seen := uint8(0)
		for v := s.tried[slot]; v > 0; v-- {
			if s.value(slot, v) == got {
				seen = v
				break
			}
		}
		switch {
		case seen == 0:
			f.addf("%s, slot %d (%d): %d thousandths is none of %d versions that were sent, or it came back", s.key, slot, s.base+int64(slot)*s.step, got, s.tried[slot])
		case seen < before[i]:
			f.addf("%s, slot %d (%d): version %d, but version %d was acknowledged or shown", s.key, slot, s.base+int64(slot)*s.step, seen, before[i])
		default:
			s.sure[slot] = max(s.sure[slot], seen)
			if still {
				s.tried[slot] = seen
			}
		}
	}
	f.checked.Add(sure)
	// What lies behind all that was sent.
	for i, v := range column {
		if slot := first + i; slot >= max(low, len(s.tried)) && v != hole {
			f.addf("%s, slot %d: %d thousandths, but nothing was sent", s.key, slot, v)
		}
	}
}
