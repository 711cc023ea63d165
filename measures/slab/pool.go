package slab

import (
	"math/bits"
	"unsafe"
)

// Handle names one buffer of a Pool. 0 is no buffer.
type Handle uint32

// poolRegion is about how many bytes a pool maps at a time.
const poolRegion = 256 << 10

// Pool hands out buffers of one fixed number of 8-byte words.
type Pool struct {
	words   int  // words of one buffer
	shift   uint // a region has 1 << shift buffers
	regions [][]byte
	fresh   int      // buffers of the last region that were never handed out
	free    []Handle // buffers that came back
	used    int
}

// NewPool makes a pool of buffers of so many 8-byte words. It maps nothing before the first Get.
func NewPool(words int) *Pool {
	return &Pool{words: words, shift: uint(bits.Len(uint(poolRegion/(words*8))) - 1)}
}

// Get returns a buffer. Its content is undefined.
func (p *Pool) Get() (Handle, error) {
	if n := len(p.free); n > 0 {
		h := p.free[n-1]
		p.free = p.free[:n-1]
		p.used++
		return h, nil
	}
	if p.fresh == 0 {
		b, err := mapMemory(p.words * 8 << p.shift)
		if err != nil {
			return 0, err
		}
		p.regions = append(p.regions, b)
		p.fresh = 1 << p.shift
	}
	p.fresh--
	p.used++
	return Handle(len(p.regions)<<p.shift - p.fresh), nil
}

// Put gives a buffer back; nobody may hold a view of it any more.
func (p *Pool) Put(h Handle) {
	p.used--
	p.free = append(p.free, h)
	if p.used == 0 && len(p.regions) > 1 {
		p.release(1)
	}
}

// Trim unmaps everything if no buffer is in use, so that a store that fell idle owns no heads. It is for now and then: a head
// that grows from pool to pool leaves each of them empty for a moment, and mapping memory anew costs more than the samples.
func (p *Pool) Trim() {
	if p.used == 0 {
		p.release(0)
	}
}

// release unmaps all regions but the first ones, as many as keep. REQUIRES: no buffer is in use.
func (p *Pool) release(keep int) {
	for _, r := range p.regions[keep:] {
		unmapMemory(r)
	}
	clear(p.regions[keep:])
	p.regions, p.free, p.fresh = p.regions[:keep], nil, 0
	if keep > 0 {
		p.fresh = 1 << p.shift
	}
}

func (p *Pool) at(h Handle) unsafe.Pointer {
	i := uint(h) - 1
	return unsafe.Pointer(&p.regions[i>>p.shift][int(i&(1<<p.shift-1))*p.words*8])
}

// Floats is the buffer as float64 values, valid until Put.
func (p *Pool) Floats(h Handle) []float64 {
	return unsafe.Slice((*float64)(p.at(h)), p.words)
}

// Ints is the buffer as int64 values, valid until Put.
func (p *Pool) Ints(h Handle) []int64 {
	return unsafe.Slice((*int64)(p.at(h)), p.words)
}

// Bytes is how much memory the buffers in use take.
func (p *Pool) Bytes() int64 { return int64(p.used) * int64(p.words) * 8 }

// Close unmaps everything, also what is in use.
func (p *Pool) Close() {
	p.used = 0
	p.release(0)
}
