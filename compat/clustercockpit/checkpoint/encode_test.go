package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// level is one level of a snapshot to be written, with its parts in the order in which they are written.
type level struct {
	metrics  []metric
	children []child
}

type metric struct {
	name        string
	freq, start int64
	values      []float32
}

type child struct {
	name string
	level
}

func appendName(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(s))), s...)
}

func encodeBin(from, to int64, root level) []byte {
	b := binary.LittleEndian.AppendUint32(nil, binMagic)
	b = binary.LittleEndian.AppendUint64(b, uint64(from))
	b = binary.LittleEndian.AppendUint64(b, uint64(to))
	return root.appendBin(b)
}

func (l level) appendBin(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(l.metrics)))
	for _, m := range l.metrics {
		b = appendName(b, m.name)
		b = binary.LittleEndian.AppendUint64(b, uint64(m.freq))
		b = binary.LittleEndian.AppendUint64(b, uint64(m.start))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(m.values)))
		for _, v := range m.values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(l.children)))
	for _, c := range l.children {
		b = c.appendBin(appendName(b, c.name))
	}
	return b
}

func (l level) json() map[string]any {
	metrics, children := map[string]any{}, map[string]any{}
	for _, m := range l.metrics {
		data := []any{}
		for _, v := range m.values {
			if v != v {
				data = append(data, nil)
			} else {
				data = append(data, math.Round(float64(v)*10)/10)
			}
		}
		metrics[m.name] = map[string]any{"frequency": m.freq, "start": m.start, "data": data}
	}
	for _, c := range l.children {
		children[c.name] = c.json()
	}
	return map[string]any{"metrics": metrics, "children": children}
}

func encodeJSON(t testing.TB, from, to int64, root level) []byte {
	m := root.json()
	m["from"], m["to"] = from, to
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type walSample struct {
	t      int64
	metric string
	levels []string
	v      float32
}

func encodePayload(s walSample) []byte {
	p := binary.LittleEndian.AppendUint64(nil, uint64(s.t))
	p = append(appendName(p, s.metric), byte(len(s.levels)))
	for _, l := range s.levels {
		p = append(append(p, byte(len(l))), l...)
	}
	return binary.LittleEndian.AppendUint32(p, math.Float32bits(s.v))
}

func frame(payload []byte) []byte {
	b := slices.Clone(recordMark)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, payload...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(payload))
}

func encodeWAL(samples ...walSample) []byte {
	b := binary.LittleEndian.AppendUint32(nil, walMagic)
	for _, s := range samples {
		b = append(b, frame(encodePayload(s))...)
	}
	return b
}

// write makes a file below dir, with the directories on the way to it.
func write(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
