package journal

import (
	"errors"
	"slices"
	"testing"
)

func TestGroup(t *testing.T) {
	g := groupOf(t, 7, "seven", "", "nine")
	if g.Records() != 3 || g.Last() != 9 || g.Len() != 3*recordHeaderSize+9 {
		t.Errorf("%d records, last %d, %d bytes", g.Records(), g.Last(), g.Len())
	}
	g.Begin(1, 1)
	g.Buf = append(g.Buf, "dropped"...)
	g.Cancel()
	g.Cancel()
	var e *SequenceError
	g.Begin(1, 1)
	if err := g.End(11); !errors.As(err, &e) || e.Want != 10 {
		t.Errorf("End(11) = %v", err)
	}
	if err := g.End(10); err == nil {
		t.Error("End without Begin succeeded")
	}
	g.Renumber(100)
	var got []Record
	err := g.Each(func(r Record) error {
		got = append(got, r)
		return nil
	})
	if err != nil || len(got) != 3 || g.Last() != 102 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for i, r := range got {
		want := Record{Pos: Position{Seq: 100 + uint64(i)}, Time: 7 + int64(i), Kind: Kind(7 + i), Payload: []byte([]string{"seven", "", "nine"}[i])}
		if r.Pos != want.Pos || r.Time != want.Time || r.Kind != want.Kind || !slices.Equal(r.Payload, want.Payload) {
			t.Errorf("record %d is %+v, want %+v", i, r, want)
		}
	}
	stop := errors.New("stop")
	if err := g.Each(func(Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Each = %v", err)
	}
	g.Reset()
	if g.Len() != 0 || g.Records() != 0 || g.Last() != 0 {
		t.Error("Reset left something")
	}
}

func TestGroupMisuse(t *testing.T) {
	for _, c := range []struct {
		name string
		use  func(g *Group)
	}{
		{"open record", func(g *Group) { g.Begin(1, 1) }},
		{"begun twice", func(g *Group) { g.Begin(1, 1); g.Begin(2, 2); _ = g.End(1) }},
		{"buffer cut", func(g *Group) { g.Begin(1, 1); g.Buf = g.Buf[:3]; _ = g.End(1) }},
	} {
		var g Group
		c.use(&g)
		if g.ready() == nil {
			t.Errorf("%s: the group can be appended", c.name)
		}
		g.Reset()
		if g.ready() != nil {
			t.Errorf("%s: not even after Reset the group can be appended", c.name)
		}
	}
}

// TestGroupDoesNotAllocate keeps the write path free of garbage.
func TestGroupDoesNotAllocate(t *testing.T) {
	var g Group
	payload := make([]byte, 1000)
	if n := testing.AllocsPerRun(100, func() {
		g.Reset()
		for seq := uint64(1); seq < 20; seq++ {
			g.Begin(1, 1)
			g.Buf = append(g.Buf, payload...)
			if err := g.End(seq); err != nil {
				t.Error(err)
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations a group", n)
	}
}
