package measures

import (
	"encoding/hex"
	"math"
	"reflect"
	"testing"
	"time"

	"granary/policy"
)

// TestTierStateBytes holds the bytes of the tiers of a series in the state file, and cuts and changes them: what is not what was
// written is an error or another state, never a panic.
func TestTierStateBytes(t *testing.T) {
	const want = "028080f696a6b68801038094ebdc03ffffffffffffffff7f000102" + "00" +
		"80b09dc2df0102808080803003" + "010202c001" + "0300" + "0800" + "80b09dc2df0104808080803001" + "0900" +
		"020a14ffffffffffffffffff0100c8016480a0b787e90580c0ee8ed20b"
	// Version 1 lacks the chunks.
	const unlisted = "018080f696a6b68801038094ebdc03ffffffffffffffff7f000102" +
		"80b09dc2df010280808080300301030880b09dc2df010480808080300109" +
		"020a14ffffffffffffffffff0100c8016480a0b787e90580c0ee8ed20b"
	sh := newShard()
	sr := &series{flags: hasTiers}
	minute := int64(time.Minute)
	sh.tiers[7] = &tierState{
		top: 5_000 * minute,
		columns: []tierColumn{
			{step: second, method: policy.Mean, done: minTime},
			{step: minute, method: policy.Sum, done: 1, born: 3 << 32, chunks: []entry{{start: minute}, {start: 97 * minute}}},
			{step: minute, method: policy.Min, done: 1, born: 3 << 32},
			{step: minute, method: policy.Std, done: 1, born: 3 << 32},
			{step: minute, method: policy.Median, done: 2, born: 3 << 32},
		},
		stale: []staleSpan{{from: 5, to: 25, raw: math.MinInt64}, {from: 100, to: 200, raw: 100_000_000_000, limit: 200_000_000_000}},
	}
	b := appendTiers(nil, nil, sh, 7, sr)
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("bytes\n%s, want\n%s", got, want)
	}
	for _, form := range []string{want, unlisted} {
		p, err := hex.DecodeString(form)
		if err != nil {
			t.Fatal(err)
		}
		back := newShard()
		if err := restoreTiers(p, nil, back, 7, &series{}); err != nil {
			t.Fatal(err)
		}
		again := back.tiers[7]
		for i := range again.columns {
			c, was := &again.columns[i], &sh.tiers[7].columns[i]
			if listed := c.listed != nil; listed != (form == want) {
				t.Errorf("column %d of version %d: chunks are listed: %v", i, p[0], listed)
			}
			if form == want && len(c.listed) != len(was.chunks) || len(c.listed) == 2 && (c.listed[0] != minute || c.listed[1] != 97*minute) {
				t.Errorf("column %d has chunks at %v", i, c.listed)
			}
			c.listed, c.chunks = nil, was.chunks
		}
		again.due, again.weight = false, 0
		if !reflect.DeepEqual(again, sh.tiers[7]) {
			t.Errorf("restored %+v", again)
		}
	}
	for n := range b {
		if err := restoreTiers(b[:n], nil, newShard(), 7, &series{}); err == nil {
			t.Errorf("%d of %d bytes are taken for the whole", n, len(b))
		}
		for bit := range 8 {
			c := append([]byte(nil), b...)
			c[n] ^= 1 << bit
			_ = restoreTiers(c, nil, newShard(), 7, &series{})
		}
	}
}
