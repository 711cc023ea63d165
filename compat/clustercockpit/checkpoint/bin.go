package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const (
	binMagic = 0xCC5B0001
	// maxLevels bounds how deep a snapshot may nest: the peer itself makes two levels below the host.
	maxLevels = 16
)

var errShort = errors.New("the file ends too early")

// errTrailing says that a snapshot was read whole and that the file goes on behind it.
type errTrailing struct{ n int }

func (e errTrailing) Error() string { return fmt.Sprintf("%d bytes behind the end were left out", e.n) }

// runFunc takes one run of a snapshot. The slices are valid until it returns.
type runFunc func(levels []string, metric string, freq, start int64, values []float64) error

// readBin calls run for every metric of a binary snapshot. As the format has no checksum, b is checked from front to end
// before the first call.
func readBin(b []byte, run runFunc) error {
	check := binReader{b: b}
	if err := check.file(); err != nil {
		return fmt.Errorf("offset %d: %w", len(b)-len(check.b), err)
	}
	read := binReader{b: b, run: run}
	if err := read.file(); err != nil {
		return err
	}
	if n := len(read.b); n > 0 {
		return errTrailing{n}
	}
	return nil
}

type binReader struct {
	b      []byte // what is not read yet
	run    runFunc
	levels []string
	values []float64
}

// take cuts n bytes off the front.
func (r *binReader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.b)) {
		return nil, fmt.Errorf("%d bytes wanted, %d left: %w", n, len(r.b), errShort)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b, nil
}

func (r *binReader) uint32() (uint32, error) {
	b, err := r.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (r *binReader) int64() (int64, error) {
	b, err := r.take(8)
	if err != nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint64(b)), nil
}

func (r *binReader) name() ([]byte, error) {
	b, err := r.take(2)
	if err != nil {
		return nil, err
	}
	return r.take(uint64(binary.LittleEndian.Uint16(b)))
}

func (r *binReader) file() error {
	magic, err := r.uint32()
	if err != nil {
		return err
	}
	if magic != binMagic {
		return fmt.Errorf("magic %#08x, expected %#08x", magic, uint32(binMagic))
	}
	if _, err := r.take(16); err != nil { // from and to: the runs have times of their own
		return err
	}
	return r.level()
}

func (r *binReader) level() error {
	if len(r.levels) > maxLevels {
		return fmt.Errorf("more than %d levels", maxLevels)
	}
	metrics, err := r.uint32()
	if err != nil {
		return err
	}
	for range metrics {
		if err := r.metric(); err != nil {
			return err
		}
	}
	children, err := r.uint32()
	if err != nil {
		return err
	}
	for range children {
		name, err := r.name()
		if err != nil {
			return err
		}
		r.levels = append(r.levels, string(name))
		if err := r.level(); err != nil {
			return err
		}
		r.levels = r.levels[:len(r.levels)-1]
	}
	return nil
}

func (r *binReader) metric() error {
	name, err := r.name()
	if err != nil {
		return err
	}
	freq, err := r.int64()
	if err != nil {
		return err
	}
	start, err := r.int64()
	if err != nil {
		return err
	}
	n, err := r.uint32()
	if err != nil {
		return err
	}
	data, err := r.take(uint64(n) * 4)
	if err != nil || r.run == nil {
		return err
	}
	r.values = r.values[:0]
	for ; len(data) > 0; data = data[4:] {
		r.values = append(r.values, float64(math.Float32frombits(binary.LittleEndian.Uint32(data))))
	}
	return r.run(r.levels, string(name), freq, start, r.values)
}
