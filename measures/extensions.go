package measures

import (
	"encoding/binary"
	"fmt"

	"granary/metricdef"
)

// What a series may have besides its samples, as the state file tells it. The numbers are never reused. A program that
// meets one that it does not know leaves the series out: the file was written by a newer one.
const (
	extTiers   = 1
	extTexts   = 2
	extDeletes = 3
	extWrites  = 4
)

// extension says how one kind of them comes into the state file and out of it.
type extension struct {
	what byte
	// append appends what the series has, nothing if it has none. REQUIRES: sh.mu, at least for reading.
	append func(b []byte, s *Store, sh *shard, ref metricdef.Ref, sr *series) []byte
	// restore takes it back. The bytes are not kept. Recovery only.
	restore func(p []byte, s *Store, sh *shard, ref metricdef.Ref, sr *series) error
}

var extensions []extension

// appendExtensions appends what a series has and returns how many kinds that is. REQUIRES: sh.mu, at least for reading.
func (s *Store) appendExtensions(b []byte, sh *shard, ref metricdef.Ref, sr *series) (_ []byte, count int) {
	var body []byte
	for i := range extensions {
		x := &extensions[i]
		if body = x.append(body[:0], s, sh, ref, sr); len(body) == 0 {
			continue
		}
		b = append(b, x.what)
		b = binary.AppendUvarint(b, uint64(len(body)))
		b = append(b, body...)
		count++
	}
	return b, count
}

func (s *Store) restoreExtensions(sh *shard, ref metricdef.Ref, sr *series, d *decoder) error {
	for range d.uvarint() {
		what := d.byte()
		n := d.uvarint()
		body := d.bytes(int(min(n, uint64(len(d.p))+1)))
		if d.failed {
			return fmt.Errorf("series %d: extension cut short", ref)
		}
		known := false
		for i := range extensions {
			if x := &extensions[i]; x.what == what {
				known = true
				if err := x.restore(body, s, sh, ref, sr); err != nil {
					return fmt.Errorf("series %d: %w", ref, err)
				}
			}
		}
		if !known {
			return fmt.Errorf("series %d: extension %d is not known: it was written by a newer program", ref, what)
		}
	}
	return nil
}
