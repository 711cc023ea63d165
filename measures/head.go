package measures

import "granary/metricdef"

// putGrid applies a sample that is not simply the next one of a head with room. REQUIRES: sh.mu.
func (sh *shard) putGrid(ref metricdef.Ref, sr *series, t int64, v float64) {
	if sr.values == 0 {
		if sr.behind(t) {
			sh.putLate(ref, sr, t, v)
			return
		}
		if !sh.openHead(sr, sr.begin(t)) {
			return
		}
	}
	if t < sr.headStart && !sh.shiftHead(ref, sr, t) {
		sh.putLate(ref, sr, t, v)
		return
	}
	i := int((t - sr.headStart) / sr.era.step)
	if i >= headSlots || i < 0 {
		sh.seal(ref, sr)
		if !sh.openHead(sr, sr.begin(t)) {
			return
		}
		i = int((t - sr.headStart) / sr.era.step)
	}
	if !sh.growHead(sr, i+1) {
		return
	}
	if sr.present.has(i) {
		sh.counts.overwritten++
	}
	sh.values[sr.class].Floats(sr.values)[i] = v
	sr.present.set(i)
	if n := uint8(i) + 1; n > sr.filled {
		sr.filled = n
		sr.next = sr.headStart + int64(n)*sr.era.step
	}
	if sr.filled == headSlots && sr.present.count() == headSlots {
		sh.seal(ref, sr)
	}
}

// behind says whether t lies in what is sealed. REQUIRES: sh.mu, at least for reading.
func (sr *series) behind(t int64) bool { return sr.flags&hasSealed != 0 && t <= sr.sealedEnd }

// headSlack is how many slots before its first sample a head may begin, so that samples of parallel senders that overtake
// each other at a seam still find their slot.
const headSlack = 8

// begin is where a head begins whose first sample is at t: right behind what is sealed, if that is near. REQUIRES: sh.mu.
func (sr *series) begin(t int64) int64 {
	if sr.flags&hasSealed != 0 {
		if start := sr.sealedEnd + sr.era.step; start < t && t-start <= headSlack*sr.era.step && (t-start)%sr.era.step == 0 {
			return start
		}
	}
	return t
}

// shiftHead lets the head begin at t, before its present beginning, if nothing is sealed or came late from there on and what it holds
// still fits: the first samples of a series overtake each other too. REQUIRES: sh.mu and an open head.
func (sh *shard) shiftHead(ref metricdef.Ref, sr *series, t int64) bool {
	k := int((sr.headStart - t) / sr.era.step)
	n := int(sr.filled)
	if sr.behind(t) || k <= 0 || k > headSlots-n {
		return false
	}
	if sh.closeLate(ref, sr); sr.behind(t) || !sh.growHead(sr, n+k) {
		return false
	}
	values := sh.values[sr.class].Floats(sr.values)
	copy(values[k:], values[:n])
	sr.present = sr.present.shifted(k)
	sr.headStart = t
	sr.filled += uint8(k)
	return true
}

// putOwn applies a sample of a series without a grid. REQUIRES: sh.mu.
func (sh *shard) putOwn(ref metricdef.Ref, sr *series, t int64, v float64) {
	if sr.values == 0 {
		if sr.behind(t) {
			sh.putLate(ref, sr, t, v)
			return
		}
		if !sh.openHead(sr, t) {
			return
		}
	}
	if t < sr.headStart {
		sh.putLate(ref, sr, t, v)
		return
	}
	n := int(sr.filled)
	times, values := sh.times[sr.class].Ints(sr.times), sh.values[sr.class].Floats(sr.values)
	i := n
	for i > 0 && times[i-1] >= t {
		i--
	}
	if i < n && times[i] == t {
		sh.counts.overwritten++
		values[i] = v
		return
	}
	if !sh.growHead(sr, n+1) {
		return
	}
	times, values = sh.times[sr.class].Ints(sr.times), sh.values[sr.class].Floats(sr.values)
	copy(times[i+1:n+1], times[i:n])
	copy(values[i+1:n+1], values[i:n])
	times[i], values[i] = t, v
	sr.filled++
	if sr.filled == headSlots {
		sh.seal(ref, sr)
	}
}

// openHead gives the series an empty head that starts at t. If there is no memory the sample is counted as lost.
// REQUIRES: sh.mu, no open head.
func (sh *shard) openHead(sr *series, t int64) bool {
	var err error
	if sr.values, err = sh.values[0].Get(); err != nil {
		sr.values = 0
		sh.counts.failed++
		return false
	}
	if sr.era.step == 0 {
		if sr.times, err = sh.times[0].Get(); err != nil {
			sh.values[0].Put(sr.values)
			sr.values, sr.times = 0, 0
			sh.counts.failed++
			return false
		}
	}
	sr.class, sr.room = 0, headRooms[0]
	sr.headStart, sr.next, sr.filled, sr.present = t, t, 0, presence{}
	return true
}

// growHead gives the open head room for n slots. If there is no memory the sample is counted as lost. REQUIRES: sh.mu.
func (sh *shard) growHead(sr *series, n int) bool {
	if n <= int(sr.room) {
		return true
	}
	class := int(sr.class)
	for int(headRooms[class]) < n {
		class++
	}
	values, err := sh.values[class].Get()
	if err != nil {
		sh.counts.failed++
		return false
	}
	if sr.times != 0 {
		times, err := sh.times[class].Get()
		if err != nil {
			sh.values[class].Put(values)
			sh.counts.failed++
			return false
		}
		copy(sh.times[class].Ints(times), sh.times[sr.class].Ints(sr.times)[:sr.filled])
		sh.times[sr.class].Put(sr.times)
		sr.times = times
	}
	copy(sh.values[class].Floats(values), sh.values[sr.class].Floats(sr.values)[:sr.filled])
	sh.values[sr.class].Put(sr.values)
	sr.values, sr.class, sr.room = values, uint8(class), headRooms[class]
	return true
}

// closeHead gives the memory of the head back. REQUIRES: sh.mu.
func (sh *shard) closeHead(sr *series) {
	sh.values[sr.class].Put(sr.values)
	if sr.times != 0 {
		sh.times[sr.class].Put(sr.times)
	}
	sr.values, sr.times, sr.class, sr.room, sr.filled, sr.present = 0, 0, 0, 0, 0, presence{}
}

// headBytes is the memory of the open heads. REQUIRES: sh.mu, at least for reading.
func (sh *shard) headBytes() (n int64) {
	for i := range headRooms {
		n += sh.values[i].Bytes() + sh.times[i].Bytes()
	}
	return n
}

// trim gives memory back that nothing lies in. REQUIRES: sh.mu.
func (sh *shard) trim() {
	sh.chunks.Trim()
	for i := range headRooms {
		sh.values[i].Trim()
		sh.times[i].Trim()
	}
}

// closeHeads gives the memory of all heads back. REQUIRES: sh.mu; nobody may use the series any more.
func (sh *shard) closeHeads() {
	for i := range headRooms {
		sh.values[i].Close()
		sh.times[i].Close()
	}
}
