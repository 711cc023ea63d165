package chunk

import "math"

// AppendIntWords appends the payload of int64 values that are carried as floats: the bits of each element are those of the
// integer. The payload is that of the integers, or Runs of it, whichever is smaller; DecodeFloats gives back the same bits.
// No element is ever calculated with as a float.
func AppendIntWords(dst []byte, v []float64) []byte {
	if len(v) == 0 {
		return append(dst, byte(Constant))
	}
	s := scratches.Get().(*scratch)
	r := &s.runs
	r.find(v)
	mark := len(dst)
	dst = AppendInts(dst, integers(v))
	if m := len(r.values); m <= len(v)/2 && len(dst)-mark > 1+r.size() {
		// Where most values repeat the one before, the list of runs and a slot for each run may take less than a slot for
		// each value.
		plain := len(dst)
		dst = r.appendInts(dst)
		if len(dst)-plain < plain-mark {
			dst = append(dst[:mark], dst[plain:]...)
		} else {
			dst = dst[:plain]
		}
	}
	if len(v) <= keepScratch {
		s.release()
		scratches.Put(s)
	}
	return dst
}

// appendInts appends the payload with the values as integers.
func (r *runs) appendInts(dst []byte) []byte {
	return r.appendWith(dst, func(dst []byte) []byte { return AppendInts(dst, integers(r.values)) })
}

// IntWord carries an integer in a float's bits, and WordInt takes it out again. What lies between them copies bits: the
// float of an integer has no meaning, and may be a NaN.
func IntWord(i int64) float64 { return math.Float64frombits(uint64(i)) }

// WordInt is the inverse of IntWord.
func WordInt(v float64) int64 { return int64(math.Float64bits(v)) }
