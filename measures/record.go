package measures

import (
	"encoding/binary"
	"fmt"
	"math"

	"granary/measures/journal"
	"granary/metricdef"
)

// The kinds of journal record. Numbers are never reused.
const (
	recSamples     journal.Kind = 1  // samplesRecord below
	recDefinitions journal.Kind = 2  // new definitions, metricdef's form, one behind the other
	recDictionary  journal.Kind = 3  // the same form: definitions that are known, named again for this segment
	recGrids       journal.Kind = 4  // series that begin a new grid
	recTenants     journal.Kind = 5  // tenant's form
	recPolicies    journal.Kind = 6  // policy's form: the whole set
	recFree        journal.Kind = 7  // series whose low-water mark moves
	recRemove      journal.Kind = 8  // definitions that end
	recUpdate      journal.Kind = 9  // definitions as they are from now on, metricdef's form
	recDelete      journal.Kind = 10 // a range of samples that goes
	recTexts       journal.Kind = 11 // texts and tags of samples
	recTenantState journal.Kind = 12 // a tenant as it is from now on, tenant's form
	recScopes      journal.Kind = 13 // policy's form: policies and rules of one scope, all of them
	recKeys        journal.Kind = 15 // API keys as they are from now on, identity's form
	recAccount     journal.Kind = 16 // usage's form: what the samples behind it, or series that are made or end, count for
	recReads       journal.Kind = 17 // usage's form: what was read
	recTypes       journal.Kind = 18 // a resource type as it is from now on, or its end, resource's form
	recResources   journal.Kind = 19 // resources as they are from now on, resource's form, one behind the other
	recUnresource  journal.Kind = 20 // resources that end, resource's form
	recNaming      journal.Kind = 21 // parts: types and resources that are known, named again for this segment
	recTogether    journal.Kind = 22 // parts: records that stand or fall with each other
	// 14 is taken: tiers.
)

// A samples record:
//
//	byte     version: 1, or 2 if there are whole numbers among the values
//	uvarint  n, number of samples
//	byte     unit of times as a power of ten of nanoseconds: 9 s, 6 ms, 3 us, 0 ns
//	varint   time of the first run, in units
//	runs     until n samples are named: varint ref - (ref behind the previous run), uvarint length - 1,
//	         varint time - time of the previous run, in units. The refs of a run ascend by one; its times are equal.
//	classes  n nibbles, two a byte, low one first: how each value is written
//	values   as their classes say
//
// Senders repeat their order and send one time for many series, so that refs and times vanish, and values decide.
const (
	samplesVersion     = 1
	samplesVersionInts = 2
)

// Value classes: how many bytes follow and what they mean. Integers are little-endian.
const (
	classZero    = 0  // nothing; +0
	classU8      = 1  // 1 byte, an integer
	classU16     = 2  // 2 bytes
	classU24     = 3  // 3 bytes
	classI32     = 4  // 4 bytes, signed
	classI48     = 5  // 6 bytes, zig-zag
	classCentU8  = 6  // 1 byte, hundredths
	classCentU16 = 7  // 2 bytes, hundredths
	classCentI32 = 8  // 4 bytes, signed hundredths
	classMyriad  = 9  // 4 bytes, signed ten-thousandths
	classFloat32 = 10 // 4 bytes, a float32
	classInt     = 11 // varint, a whole number whose word it is; from version 2 on
	classRaw     = 15 // 8 bytes, the float64
)

// classBytes is how many bytes follow for each class, if it is always as many; 0xff marks a class that does not exist.
var classBytes = [16]uint8{0, 1, 2, 3, 4, 6, 1, 2, 4, 4, 4, 0xff, 0xff, 0xff, 0xff, 8}

// appendSamples appends a samples record of the rows whose ref is not 0. There is at least one. kinds may be shorter than
// the columns.
func appendSamples(b []byte, refs []metricdef.Ref, times []int64, values []float64, kinds []metricdef.Kind) []byte {
	n, unit, exp := survey(refs, times)
	version := byte(samplesVersion)
	for i, k := range kinds {
		if k == metricdef.KindInt && refs[i] != 0 {
			version = samplesVersionInts
			break
		}
	}
	b = append(b, version)
	b = binary.AppendUvarint(b, uint64(n))
	b = append(b, exp)

	first := true
	var prev int64
	var follow metricdef.Ref
	for i := 0; i < len(refs); {
		ref, t := refs[i], times[i]
		if ref == 0 {
			i++
			continue
		}
		j := i + 1
		for j < len(refs) && refs[j] == ref+metricdef.Ref(j-i) && times[j] == t {
			j++
		}
		t /= unit
		if first {
			b = binary.AppendVarint(b, t)
			prev, first = t, false
		}
		b = binary.AppendVarint(b, int64(ref)-int64(follow))
		b = binary.AppendUvarint(b, uint64(j-i-1))
		b = binary.AppendVarint(b, t-prev)
		prev, follow = t, ref+metricdef.Ref(j-i)
		i = j
	}
	return appendValues(b, n, refs, values, kinds)
}

// survey counts the rows to write and finds the coarsest unit that all their times are multiples of.
func survey(refs []metricdef.Ref, times []int64) (n int, unit int64, exp byte) {
	unit, exp = second, 9
	last := int64(0) // a time that is known to be a multiple
	for i, ref := range refs {
		if ref == 0 {
			continue
		}
		n++
		if t := times[i]; t != last {
			for t%unit != 0 {
				unit /= 1000
				exp -= 3
			}
			last = t
		}
	}
	return n, unit, exp
}

func appendValues(b []byte, n int, refs []metricdef.Ref, values []float64, kinds []metricdef.Kind) []byte {
	at := len(b) // of the class nibbles
	for range (n + 1) / 2 {
		b = append(b, 0)
	}
	k := 0
	for i, ref := range refs {
		if ref == 0 {
			continue
		}
		var class byte
		if i < len(kinds) && kinds[i] == metricdef.KindInt {
			b, class = appendInt(b, WordInt(values[i]))
		} else {
			b, class = appendValue(b, values[i])
		}
		b[at+k/2] |= class << (k & 1 * 4)
		k++
	}
	return b
}

// appendValue appends the shortest of the forms that give back equal bits.
func appendValue(b []byte, v float64) ([]byte, byte) {
	bits := math.Float64bits(v)
	if bits == 0 {
		return b, classZero
	}
	if i := int64(v); float64(i) == v && i != 0 && i < 1<<47 && i > -1<<47 {
		switch {
		case uint64(i) < 1<<8:
			return append(b, byte(i)), classU8
		case uint64(i) < 1<<16:
			return append(b, byte(i), byte(i>>8)), classU16
		case uint64(i) < 1<<24:
			return append(b, byte(i), byte(i>>8), byte(i>>16)), classU24
		case int64(int32(i)) == i:
			return binary.LittleEndian.AppendUint32(b, uint32(i)), classI32
		}
		z := uint64(i)<<1 ^ uint64(i>>63)
		return append(b, byte(z), byte(z>>8), byte(z>>16), byte(z>>24), byte(z>>32), byte(z>>40)), classI48
	}
	if c := math.RoundToEven(v * 100); c != 0 && c < math.MaxInt32 && c > math.MinInt32 && math.Float64bits(c/100) == bits {
		i := int32(c)
		switch {
		case uint32(i) < 1<<8:
			return append(b, byte(i)), classCentU8
		case uint32(i) < 1<<16:
			return append(b, byte(i), byte(i>>8)), classCentU16
		}
		return binary.LittleEndian.AppendUint32(b, uint32(i)), classCentI32
	}
	if c := math.RoundToEven(v * 10000); c != 0 && c < math.MaxInt32 && c > math.MinInt32 && math.Float64bits(c/10000) == bits {
		return binary.LittleEndian.AppendUint32(b, uint32(int32(c))), classMyriad
	}
	if f := float32(v); math.Float64bits(float64(f)) == bits {
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(f)), classFloat32
	}
	return binary.LittleEndian.AppendUint64(b, bits), classRaw
}

// appendInt appends the shorter of the forms of a whole number.
func appendInt(b []byte, i int64) ([]byte, byte) {
	switch {
	case i == 0:
		return b, classZero
	case i >= -1<<54 && i < 1<<54:
		return binary.AppendVarint(b, i), classInt
	}
	return binary.LittleEndian.AppendUint64(b, uint64(i)), classRaw
}

// DamagedError says that a record passed its checksum but does not make sense.
type DamagedError struct {
	Kind   journal.Kind
	Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("journal record of kind %d: %s", e.Kind, e.Reason)
}

// decodeSamples fills the columns of b from a samples record.
func decodeSamples(p []byte, b *Batch) error {
	bad := func(reason string) error { return &DamagedError{Kind: recSamples, Reason: reason} }
	if len(p) == 0 || p[0] != samplesVersion && p[0] != samplesVersionInts {
		return bad("unknown version")
	}
	ints := p[0] == samplesVersionInts
	d := decoder{p: p[1:]}
	n := d.uvarint()
	exp := d.byte()
	if d.failed || n == 0 || n > uint64(len(p))*blockSeries*blockSeries || exp > 9 || exp%3 != 0 {
		return bad("count or unit")
	}
	// A nibble a value must still follow, which bounds the count by the length.
	if (n+1)/2 > uint64(len(d.p)) {
		return bad("more samples than bytes")
	}
	unit := [4]int64{1, 1e3, 1e6, 1e9}[exp/3]
	t := d.varint()
	var ref int64
	for left := n; left > 0; {
		ref += d.varint()
		length := d.uvarint() + 1
		t += d.varint()
		if d.failed || length > left || length == 0 || ref <= 0 || ref+int64(length) > math.MaxUint32 {
			return bad("run")
		}
		if t > math.MaxInt64/unit || t < math.MinInt64/unit {
			return bad("time")
		}
		ns := t * unit
		for range length {
			b.Refs = append(b.Refs, metricdef.Ref(ref))
			b.Times = append(b.Times, ns)
			ref++
		}
		left -= length
	}
	if (n+1)/2 > uint64(len(d.p)) {
		return bad("classes")
	}
	classes, data := d.p[:(n+1)/2], d.p[(n+1)/2:]
	for i := range int(n) {
		class := classes[i/2] >> (i & 1 * 4) & 15
		if class == classInt && ints {
			v, size := binary.Varint(data)
			if size <= 0 {
				return bad("value")
			}
			b.Values = append(b.Values, IntWord(v))
			data = data[size:]
			continue
		}
		size := int(classBytes[class])
		if size > len(data) {
			return bad("value")
		}
		b.Values = append(b.Values, valueOf(class, data))
		data = data[size:]
	}
	if len(data) != 0 {
		return bad("bytes left over")
	}
	return nil
}

func valueOf(class byte, p []byte) float64 {
	switch class {
	case classRaw:
		return math.Float64frombits(binary.LittleEndian.Uint64(p))
	case classCentU16:
		return float64(binary.LittleEndian.Uint16(p)) / 100
	case classU8:
		return float64(p[0])
	case classU16:
		return float64(binary.LittleEndian.Uint16(p))
	case classU24:
		return float64(uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16)
	case classI32:
		return float64(int32(binary.LittleEndian.Uint32(p)))
	case classI48:
		z := uint64(binary.LittleEndian.Uint32(p)) | uint64(binary.LittleEndian.Uint16(p[4:]))<<32
		return float64(int64(z>>1) ^ -int64(z&1))
	case classCentU8:
		return float64(p[0]) / 100
	case classCentI32:
		return float64(int32(binary.LittleEndian.Uint32(p))) / 100
	case classMyriad:
		return float64(int32(binary.LittleEndian.Uint32(p))) / 10000
	case classFloat32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(p)))
	}
	return 0
}

// decoder reads varints and remembers that it failed.
type decoder struct {
	p      []byte
	failed bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.p)
	if n <= 0 {
		d.failed, d.p = true, nil
		return 0
	}
	d.p = d.p[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.p)
	if n <= 0 {
		d.failed, d.p = true, nil
		return 0
	}
	d.p = d.p[n:]
	return v
}

func (d *decoder) byte() byte {
	if len(d.p) == 0 {
		d.failed = true
		return 0
	}
	c := d.p[0]
	d.p = d.p[1:]
	return c
}

func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.p) {
		d.failed, d.p = true, nil
		return nil
	}
	c := d.p[:n]
	d.p = d.p[n:]
	return c
}

// gridChange says that a series' samples lie on a new grid from now on.
type gridChange struct {
	ref  metricdef.Ref
	grid grid
}

// appendGrids appends a grids record, version 1: byte version; then for each series varint ref - (previous ref + 1), uvarint
// step in nanoseconds, varint anchor in nanoseconds - previous anchor.
func appendGrids(b []byte, list []gridChange) []byte {
	b = append(b, 1)
	var ref, anchor int64
	for _, c := range list {
		b = binary.AppendVarint(b, int64(c.ref)-ref)
		b = binary.AppendUvarint(b, uint64(c.grid.step))
		b = binary.AppendVarint(b, c.grid.anchor-anchor)
		ref, anchor = int64(c.ref)+1, c.grid.anchor
	}
	return b
}

func decodeGrids(p []byte, fn func(gridChange)) error {
	if len(p) == 0 || p[0] != 1 {
		return &DamagedError{Kind: recGrids, Reason: "unknown version"}
	}
	d := decoder{p: p[1:]}
	var ref, anchor int64
	for len(d.p) > 0 {
		ref += d.varint()
		step := d.uvarint()
		anchor += d.varint()
		if d.failed || ref <= 0 || ref > math.MaxUint32 || step > math.MaxInt64 {
			return &DamagedError{Kind: recGrids, Reason: "entry"}
		}
		g := grid{}
		if step > 0 {
			g = newGrid(anchor, int64(step))
		}
		fn(gridChange{metricdef.Ref(ref), g})
		ref++
	}
	return nil
}

// lowMark says that a series' samples before a time were freed.
type lowMark struct {
	ref  metricdef.Ref
	time int64
}

// appendMarks appends a free record, version 1: byte version; then for each series varint ref - (previous ref + 1), varint
// time - previous time, in nanoseconds.
func appendMarks(b []byte, list []lowMark) []byte {
	b = append(b, 1)
	var ref, t int64
	for _, m := range list {
		b = binary.AppendVarint(b, int64(m.ref)-ref)
		b = binary.AppendVarint(b, m.time-t)
		ref, t = int64(m.ref)+1, m.time
	}
	return b
}

func decodeMarks(p []byte, fn func(lowMark)) error {
	if len(p) == 0 || p[0] != 1 {
		return &DamagedError{Kind: recFree, Reason: "unknown version"}
	}
	d := decoder{p: p[1:]}
	var ref, t int64
	for len(d.p) > 0 {
		ref += d.varint()
		t += d.varint()
		if d.failed || ref <= 0 || ref > math.MaxUint32 {
			return &DamagedError{Kind: recFree, Reason: "entry"}
		}
		fn(lowMark{metricdef.Ref(ref), t})
		ref++
	}
	return nil
}

// appendRefs appends a remove record, version 1: byte version, then varint ref - previous ref for each.
func appendRefs(b []byte, refs []metricdef.Ref) []byte {
	b = append(b, 1)
	var prev int64
	for _, r := range refs {
		b = binary.AppendVarint(b, int64(r)-prev)
		prev = int64(r)
	}
	return b
}

func decodeRefs(p []byte) ([]metricdef.Ref, error) {
	if len(p) == 0 || p[0] != 1 {
		return nil, &DamagedError{Kind: recRemove, Reason: "unknown version"}
	}
	d := decoder{p: p[1:]}
	var refs []metricdef.Ref
	var ref int64
	for len(d.p) > 0 {
		ref += d.varint()
		if d.failed || ref <= 0 || ref > math.MaxUint32 {
			return nil, &DamagedError{Kind: recRemove, Reason: "entry"}
		}
		refs = append(refs, metricdef.Ref(ref))
	}
	return refs, nil
}
