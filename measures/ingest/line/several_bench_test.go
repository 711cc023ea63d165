package line

import (
	"fmt"
	"testing"
)

// BenchmarkDecodeFields compares, by the sample, known lines of one field with known lines of ten, as Telegraf sends them: series are 18,800 in
// both.
func BenchmarkDecodeFields(b *testing.B) {
	for _, fields := range []int{1, 10} {
		b.Run(fmt.Sprint(fields), func(b *testing.B) {
			m := everyField{cockpit()}
			m.Known = nil
			d, r := open(b, Options{Cache: NewCache(CacheOptions{})})
			var body []byte
			for series := 0; series < 18_800; series += fields {
				body = fmt.Appendf(body, "cpu,cluster=alex,host=n%04d,cpu=cpu%d ", series/100, series%100)
				for f := range fields {
					if f > 0 {
						body = append(body, ',')
					}
					body = fmt.Appendf(body, "usage_field_%d=%s", f, []string{"51.03947562839471", "12.34", "1073741824i", "0", "95.12345678901234"}[(series+f)%5])
				}
				body = fmt.Appendf(body, " %d\n", now.Unix()*1e9)
			}
			decode(d, r, m, string(body))
			decode(d, r, m, string(body))
			b.ReportAllocs()
			parsed := 0
			for b.Loop() {
				if err := d.Begin(m, body); err != nil {
					b.Fatal(err)
				}
				for more := true; more; {
					more, _ = d.Decode()
					for _, p := range d.Parts() {
						p.reset()
					}
				}
				parsed += d.Tally().Parsed
				d.End()
			}
			if parsed > 0 {
				b.Errorf("%d lines went through the library", parsed)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/18_800, "ns/sample")
		})
	}
}
