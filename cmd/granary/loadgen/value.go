package loadgen

import "math"

// Kind is a kind of value as real nodes send them. The mix decides how well a store compresses.
type Kind uint8

const (
	Constant    Kind = iota // a number of cores, a link speed
	Bytes                   // memory: multiples of a page that drift and often stay
	Percent                 // a random walk from 0 to 100 with two decimals
	Noisy                   // a random walk with a full mantissa
	Counter                 // an integer that only grows
	Temperature             // a small integer that changes seldom
	Sparse                  // zero but for spikes
	Rate                    // computed from a counter: a full mantissa, often repeated
	numKinds
)

// mix is one step of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func hash(seed uint64, step int64) uint64 { return mix(seed ^ mix(uint64(step))) }

// unit maps a hash to [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

const octaves = 10

// amplitudes are those of Brownian motion: each doubling of the period is stronger by the square root of two.
var amplitudes = func() (a [octaves]float64) {
	for k := range a {
		a[k] = math.Exp2(float64(k-octaves+1) / 2)
	}
	return a
}()

// walk is a random walk that can be asked at any step without those before it: value noise, summed over octaves. It stays
// within about -3 to 3, and repeats nothing.
func walk(seed uint64, step int64) float64 {
	var sum float64
	for k := range octaves {
		base := step >> k
		low := unit(hash(seed+uint64(k), base))
		part := float64(step-base<<k) / float64(int64(1)<<k)
		if part > 0 {
			low += (unit(hash(seed+uint64(k), base+1)) - low) * part
		}
		sum += amplitudes[k] * (2*low - 1)
	}
	return sum
}

// value is the value of a series at a step, 0 or above. seed is the series' own.
func value(kind Kind, seed uint64, step int64) float64 {
	first := mix(seed)
	switch kind {
	case Constant:
		return float64(int64(1) << (first % 8))
	case Bytes:
		page := math.Floor(walk(seed, (step+int64(first%3))/3) * 20_000)
		return (page + float64(1<<18+first%(1<<20))) * 4096
	case Percent:
		x := 100*unit(first) + 15*walk(seed, step)
		return math.Round(max(0, min(100, x))*100) / 100
	case Noisy:
		return 50 + 50*unit(first) + 5*walk(seed, step)
	case Counter:
		const most = 1 << 20
		return float64(first%(1<<32)) + float64(step*most) + float64(hash(seed, step)%most)
	case Temperature:
		return 55 + math.Round(3*walk(seed, (step+int64(first%5))/5))
	case Sparse:
		if h := hash(seed, step); h%50 == 0 {
			return float64(h >> 32 % 1000)
		}
		return 0
	default:
		return unit(hash(seed, (step+int64(first%4))/4)) * 1e9
	}
}
