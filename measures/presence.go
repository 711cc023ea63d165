package measures

import "math/bits"

// presence tells which slots of a head hold a value.
type presence [(headSlots + 63) / 64]uint64

func (p *presence) has(i int) bool { return p[i>>6]&(1<<(i&63)) != 0 }
func (p *presence) set(i int)      { p[i>>6] |= 1 << (i & 63) }

// count is how many slots hold a value.
func (p *presence) count() int {
	n := 0
	for _, w := range p {
		n += bits.OnesCount64(w)
	}
	return n
}

// len is the number of the last slot that holds a value, plus one.
func (p *presence) len() int {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0 {
			return i*64 + bits.Len64(p[i])
		}
	}
	return 0
}

// first is the number of the first slot that holds a value. There is one.
func (p *presence) first() int {
	for i, w := range p {
		if w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
	}
	return 0
}

// from is the presence of the slots from n on.
func (p *presence) from(n int) (q presence) {
	if n == 0 {
		return *p
	}
	for i := range p.all {
		if i >= n {
			q.set(i - n)
		}
	}
	return q
}

// shifted is the presence with n slots without a value in front.
func (p *presence) shifted(n int) (q presence) {
	for i := range p.all {
		q.set(i + n)
	}
	return q
}

// all calls yield for the slots that hold a value, in order.
func (p *presence) all(yield func(int) bool) { eachBit(p[:], yield) }

// eachBit calls yield for the bits that are set, in order.
func eachBit(words []uint64, yield func(int) bool) {
	for i, w := range words {
		for ; w != 0; w &= w - 1 {
			if !yield(i*64 + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}
