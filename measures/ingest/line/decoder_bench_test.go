package line

import (
	"math/rand/v2"
	"testing"
)

// benchmark decodes bodies in turn; reset, if not nil, runs outside the clock before each.
func benchmark(b *testing.B, d *Decoder, m Mapping, bodies [][]byte, reset func()) {
	b.Helper()
	lines, size := 0, 0
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if reset != nil {
			b.StopTimer()
			reset()
			b.StartTimer()
		}
		if err := d.Begin(m, bodies[i%len(bodies)]); err != nil {
			b.Fatal(err)
		}
		for more := true; more; {
			more, _ = d.Decode()
			for _, p := range d.Parts() {
				p.reset()
			}
		}
		lines += d.Tally().Lines
		size += len(bodies[i%len(bodies)])
		d.End()
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(lines), "ns/line")
	b.ReportMetric(float64(size)/b.Elapsed().Seconds()/1e6, "MB/s")
}

func warm(b *testing.B, hosts int) (*Decoder, *ClusterCockpit, []string) {
	b.Helper()
	m := cockpit()
	m.Known = nil
	d, r := open(b, Options{Cache: NewCache(CacheOptions{})})
	keys, body := workload(hosts, hosts*94, now.Unix())
	decode(d, r, m, string(body))
	decode(d, r, m, string(body))
	return d, m, keys
}

// BenchmarkDecodeKnown is the usual case: 200 hosts, 18,800 series, always in the same order, bodies of 5,000 lines.
func BenchmarkDecodeKnown(b *testing.B) {
	d, m, _ := warm(b, 200)
	_, all := workload(200, 5000*94, now.Unix())
	var bodies [][]byte
	for at := 0; at < len(all); {
		end := at
		for n := 0; n < 5000 && end < len(all); n++ {
			for all[end] != '\n' {
				end++
			}
			end++
		}
		bodies = append(bodies, all[at:end])
		at = end
	}
	benchmark(b, d, m, bodies, nil)
}

// BenchmarkDecodeMixedOrder has no order that could be guessed: every line is looked up by its hash.
func BenchmarkDecodeMixedOrder(b *testing.B) {
	d, m, keys := warm(b, 200)
	r := rand.New(rand.NewPCG(1, 0))
	var bodies [][]byte
	for range 20 {
		var body []byte
		for range 5000 {
			body = append(append(body, keys[r.IntN(len(keys))]...), "51.03947562839471 1735693200\n"...)
		}
		bodies = append(bodies, body)
	}
	benchmark(b, d, m, bodies, nil)
}

// BenchmarkDecodeCold knows the series in the registry, and nothing in the cache.
func BenchmarkDecodeCold(b *testing.B) {
	d, m, _ := warm(b, 200)
	_, body := workload(200, 5000, now.Unix())
	benchmark(b, d, m, [][]byte{body}, d.o.Cache.Drop)
}

// BenchmarkDecodeUnwanted reads lines of measurements that nobody wants.
func BenchmarkDecodeUnwanted(b *testing.B) {
	d, m, _ := warm(b, 200)
	m.Known = func(string) bool { return false }
	d.o.Cache.Drop()
	_, body := workload(200, 5000, now.Unix())
	benchmark(b, d, m, [][]byte{body}, nil)
}
