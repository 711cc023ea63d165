package metricdef

// wordBlock is the number of words in a block; no run of words goes across a border.
const (
	wordShift = 14
	wordBlock = 1 << wordShift
	maxRun    = 2 + MaxTags + moreWords + linkWords
)

// words is an arena for the short runs of numbers that definitions consist of. It holds no pointer but those to its
// blocks. A run that is given back waits, chained by its first word, for the next one of the same length. Place 0 is
// no place.
type words struct {
	blocks [][]uint32
	used   int // words in the last block
	free   [maxRun + 1]uint32
}

func (w *words) at(place uint32, n int) []uint32 {
	off := place & (wordBlock - 1)
	return w.blocks[place>>wordShift][off : int(off)+n : int(off)+n]
}

// full says that there is no place left for a number of 32 bits to name.
func (w *words) full() bool { return len(w.blocks) >= 1<<(32-wordShift)-1 }

func (w *words) alloc(n int) (place uint32, run []uint32) {
	if place = w.free[n]; place != 0 {
		run = w.at(place, n)
		w.free[n] = run[0]
		return place, run
	}
	if len(w.blocks) == 0 || w.used+n > wordBlock {
		w.used = 0
		if len(w.blocks) == 0 {
			w.used = 1
		}
		w.blocks = append(w.blocks, make([]uint32, wordBlock))
	}
	place = uint32(len(w.blocks)-1)<<wordShift | uint32(w.used)
	w.used += n
	return place, w.at(place, n)
}

func (w *words) release(place uint32, n int) {
	w.at(place, n)[0] = w.free[n]
	w.free[n] = place
}

func (w *words) bytes() int { return 4 * wordBlock * len(w.blocks) }
