package measures

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"granary/measures/journal"
)

// TestParts: the bytes of a record of parts, and what is no such record.
func TestParts(t *testing.T) {
	s := &Store{}
	s.seq.group, s.seq.next = new(journal.Group), 1
	g := together{s: s, p: &pending{}, kind: recTogether}
	g.add(recResources, []byte("abc"))
	g.add(recAccount, nil)
	g.add(recRemove, []byte{1, 2})
	if got := hex.EncodeToString(g.buf); got != "01"+"1303616263"+"08020102" {
		t.Errorf("%s", got)
	}
	big := bytes.Repeat([]byte{7}, journal.MaxRecord/2)
	rec := append([]byte(nil), g.buf...)
	g.add(recUpdate, big)
	g.add(recUpdate, big)
	g.end()
	if g.p.seq != 2 {
		t.Errorf("%d records, want 2", g.p.seq)
	}
	type part struct {
		kind    journal.Kind
		payload string
	}
	var parts []part
	all := &journal.Record{Kind: recTogether, Payload: rec}
	if err := eachPart(all, func(r journal.Record) error {
		parts = append(parts, part{r.Kind, string(r.Payload)})
		return nil
	}); err != nil || len(parts) != 2 || parts[0] != (part{recResources, "abc"}) || parts[1] != (part{recRemove, "\x01\x02"}) {
		t.Error(parts, err)
	}
	stop := errors.New("stop")
	if err := eachPart(all, func(journal.Record) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	for _, bad := range []string{"", "02", "0113", "011304616263", "011600", "011500", "0113ffffffffffffffffff7f"} {
		payload, err := hex.DecodeString(bad)
		if err != nil {
			t.Fatal(err)
		}
		var damaged *DamagedError
		err = eachPart(&journal.Record{Kind: recTogether, Payload: payload}, func(journal.Record) error {
			t.Errorf("%s: a part was applied", bad)
			return nil
		})
		if !errors.As(err, &damaged) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// FuzzParts: whatever a record of parts says, recovery goes on.
func FuzzParts(f *testing.F) {
	f.Add([]byte{1, byte(recResources), 3, 'a', 'b', 'c'})
	f.Add([]byte{1, byte(recUnresource), 0, byte(recTypes), 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		err := eachPart(&journal.Record{Kind: recTogether, Payload: b}, func(r journal.Record) error {
			if n += len(r.Payload); r.Kind == recTogether || r.Kind == recNaming {
				t.Error("parts of parts")
			}
			return nil
		})
		if err != nil && n > 0 || n > len(b) {
			t.Errorf("%d bytes of %d, %v", n, len(b), err)
		}
	})
}
