package chunk

import (
	"math"
	"math/rand"
)

// A pattern makes the values of one kind of metric, as seen on the nodes of a cluster.
type pattern struct {
	name string
	// target is the greatest mean size, in bytes a sample, of the payloads of 120 and of 64 samples.
	target, target64 float64
	start            func(r *rand.Rand) func() float64
}

var patterns = []pattern{
	{"constant", 0.1, 0.1, func(*rand.Rand) func() float64 {
		return func() float64 { return 100 }
	}},
	{"percent", 1.6, 1.7, func(r *rand.Rand) func() float64 { // two decimals
		x := r.Float64() * 50
		return func() float64 {
			x = math.Abs(math.Mod(x+r.NormFloat64()*2+1000, 100))
			return math.Round(x*100) / 100
		}
	}},
	{"pages", 0.9, 1.0, func(r *rand.Rand) func() float64 { // bytes in use, that drift by pages
		x := math.Floor(r.Float64() * 50)
		return func() float64 {
			if r.Intn(3) == 0 {
				x += float64(r.Intn(2048)-1000) * 4096
			}
			return math.Abs(x) + 1<<30
		}
	}},
	{"counter", 2.7, 2.8, func(r *rand.Rand) func() float64 {
		x := math.Floor(r.Float64() * 50)
		return func() float64 {
			x += float64(r.Intn(1 << 20))
			return x
		}
	}},
	{"noise", 5.8, 6.0, func(r *rand.Rand) func() float64 { // a random walk of full mantissas
		x := r.Float64() * 50
		return func() float64 {
			x += r.NormFloat64() * 0.1
			return 50 + x
		}
	}},
	{"temperature", 0.4, 0.5, func(r *rand.Rand) func() float64 { // small integers
		x := math.Floor(r.Float64() * 50)
		return func() float64 {
			if r.Intn(5) == 0 {
				x += float64(r.Intn(3) - 1)
			}
			return 55 + x
		}
	}},
	{"rate", 2.2, 2.3, func(r *rand.Rand) func() float64 { // full mantissas, mostly repeated
		x := r.Float64() * 50
		return func() float64 {
			if r.Intn(4) == 0 {
				x = r.Float64() * 1e9
			}
			return x
		}
	}},
	{"sparse", 0.3, 0.3, func(r *rand.Rand) func() float64 { // zero but for spikes
		return func() float64 {
			if r.Intn(50) == 0 {
				return float64(r.Intn(1000))
			}
			return 0
		}
	}},
}

// series makes k columns of n samples, each of a series of its own.
func (p pattern) series(k, n int) [][]float64 {
	out := make([][]float64, k)
	for i := range out {
		next := p.start(rand.New(rand.NewSource(int64(1_000_003 + i))))
		out[i] = make([]float64, n)
		for j := range out[i] {
			out[i][j] = next()
		}
	}
	return out
}

// ongoing makes k successive columns of n samples of one series.
func (p pattern) ongoing(k, n int) [][]float64 {
	next := p.start(rand.New(rand.NewSource(7)))
	out := make([][]float64, k)
	for i := range out {
		out[i] = make([]float64, n)
		for j := range out[i] {
			out[i][j] = next()
		}
	}
	return out
}
