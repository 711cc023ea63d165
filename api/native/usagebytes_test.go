package native

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/usage"
)

// spent is what the ledger has of the tenant of the tests.
func (s *realStore) spent(t *testing.T) (c usage.Counts) {
	t.Helper()
	num, ok := s.store.Tenants.Lookup("_ops")
	if !ok {
		return c
	}
	hours, err := s.store.Usage.Hours(num.Num, 0, testNow.Unix()+1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range hours {
		c.Add(&hours[i].Counts)
	}
	return c
}

// TestUsageBytes: the bytes of a tenant are those of the lines, or items, of which something is stored, to the byte; what is refused
// as a whole costs nothing, whoever refuses it.
func TestUsageBytes(t *testing.T) {
	const now, old = "1769860000", "1369860000"
	limits := tenant.Limits{Series: 8, Past: 1000 * 3600 * 1e9}
	type piece struct {
		text    string
		samples uint64 // 0: refused
	}
	for _, c := range []struct {
		name, media string
		open, shut  string // around the pieces
		between     string
		pieces      []piece
	}{
		{"lines", "text/plain", "", "", "", []piece{
			{"a,host=h value=1 " + now + "\n", 1},
			{"a,host=h value=2 " + old + "\n", 0}, // too old
			{"\n", 0},
			{"# a comment\n", 0},
			{"a,host=h value=\n", 0},
			{"b,host=h value=3,more=4 " + now + "\n", 2},
			{"c,host=h text=\"two\nlines\" " + now + "\n", 1},
			{"c,host=h text=\"three\nold\nlines\" " + old + "\n", 0},
			{"a,host=h value=5i " + now + "\r\n", 1},
			{"d,host=h value=6,text=\"x\" " + now + "\n", 2},
			{"e,host=h value=7 " + now + "\n", 1},
			{"f,host=h value=7 " + now + "\n", 1}, // the eighth series
			{"g,host=h value=8 " + now + "\n", 0},
			{"h,host=h x=\"new\nlines\" " + now + "\n", 0},
			{"a,host=h value=9,other=9 " + now + "\n", 1}, // of which the one is a ninth series
			{"a,host=h value=9 " + now, 1},
		}},
		{"items", "application/json", "[ ", " ]", " ,\n ", []piece{
			{`{"name":"a","tags":{"host":"h"},"samples":[[` + now + `,1],[` + now + `,2]]}`, 2},
			{`{"name":"a","tags":{"host":"h"},"samples":[[` + old + `,1],[` + old + `,2]]}`, 0},
			{`{"name":"a","tags":{"host":"h"},"samples":[[` + old + `,1],[` + now + `,2]]}`, 1},
			{`{"name":"a","tags":{"host":"h"},"samples":[]}`, 0},
			{`{"name":"a","tags":{"host":"h"},"samples":[["x",1]]}`, 0},
			{`{"name":"b","tags":{"host":"h"}, "samples":[ [` + now + `,1] ] }`, 1},
			{`{"name":"b","tags":{"host":"h"}, "samples":[ [` + now + `,1] ] , "type":"gauge"}`, 1},
			{`{"name":"","samples":[[` + now + `,1]]}`, 0},
		}},
		{"items in lines", "application/x-ndjson", "", "\n", "\n", []piece{
			{`{"name":"a","tags":{"host":"h"},"samples":[[` + now + `,1]]}`, 1},
			{`{"name":"a","tags":{"host":"h"},"samples":[[` + old + `,1]]}`, 0},
			{`no json`, 0},
			{`{"name":"c","tags":{"host":"h"},"samples":[[` + now + `,1]]}`, 1},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStored(t, limits)
			rng := rand.New(rand.NewPCG(1, 16))
			var body strings.Builder
			var want usage.Counts
			send := func(list []piece) {
				t.Helper()
				body.Reset()
				body.WriteString(c.open)
				for i, p := range list {
					if i > 0 {
						body.WriteString(c.between)
					}
					body.WriteString(p.text)
					if want.Samples += p.samples; p.samples > 0 {
						want.Bytes += uint64(len(p.text))
					}
				}
				body.WriteString(c.shut)
				ask(s, "POST", "/v2/measures", body.String(), "Content-Type", c.media)
				if got := s.spent(t); got.Samples != want.Samples || got.Bytes != want.Bytes {
					t.Fatalf("%d samples, %d bytes; want %d, %d\n%s", got.Samples, got.Bytes, want.Samples, want.Bytes, body.String())
				}
			}
			send(c.pieces)
			send(c.pieces) // from the cache
			for range 30 {
				rng.Shuffle(len(c.pieces)-1, func(i, j int) { c.pieces[i], c.pieces[j] = c.pieces[j], c.pieces[i] })
				send(c.pieces)
				send(c.pieces[:1])
			}
			if want.Samples == 0 {
				t.Error("nothing was stored")
			}
		})
	}
}

// TestUsageBytesOfEnded: what was sent for a series that has ended comes a second time within the store, and counts once.
func TestUsageBytesOfEnded(t *testing.T) {
	for media, form := range map[string]string{
		"application/json": `[{"name":"m%[1]d","samples":[[1769860000,1],[1769860001,1]]}, {"name":"n%[1]d","samples":[[1769860000,1]]}]`,
		"text/plain":       "m%[1]d value=1 1769860000\nm%[1]d value=1 1769860001\nn%[1]d value=1 1769860000\n",
	} {
		s := newStored(t, tenant.Limits{})
		for i := range 5 {
			body := fmt.Sprintf(form, i)
			size := len(body)
			if media == "application/json" {
				size -= len("[, ]")
			}
			before := s.spent(t)
			for range 3 {
				ask(s, "POST", "/v2/measures", body, "Content-Type", media)
				ref := s.ref(t, "_ops", metricdef.Gauge, fmt.Sprint("m", i))
				if n, err := s.store.DeleteDefinitions(t.Context(), []metricdef.Ref{ref}); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			if got := s.spent(t); got.Samples-before.Samples != 9 || got.Bytes-before.Bytes != 3*uint64(size) {
				t.Errorf("%s: %d samples of %d bytes, want 9 of %d", media, got.Samples-before.Samples, got.Bytes-before.Bytes, 3*size)
			}
		}
	}
}

var _ measures.Pieces = (*intake)(nil)
