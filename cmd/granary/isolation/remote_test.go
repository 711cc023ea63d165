package isolation_test

import (
	"maps"
	"slices"
	"time"

	"github.com/klauspost/compress/snappy"

	"granary/compat/prometheus"
	"granary/measures/ingest/remoteout"
)

// fillRemote makes a request of remote write, of one of its versions, at one of its paths.
func (g *gen) fillRemote(r *request) {
	rng := g.p.rng
	r.target = choose(rng, prometheus.Paths...)
	if rng.IntN(2) == 0 {
		r.body = g.remoteWrite(r, remoteout.AppendV1)
		return
	}
	r.header = slices.DeleteFunc(r.header, func(f field) bool { return f.name == "Content-Type" })
	r.set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
	r.body = g.remoteWrite(r, remoteout.AppendV2)
}

// remoteWrite is a message of remote write with a few series, and says how it is packed.
func (g *gen) remoteWrite(r *request, appendTo func(dst []byte, list []remoteout.Series) []byte) string {
	rng := g.p.rng
	r.set("Content-Encoding", "snappy")
	var list []remoteout.Series
	for range 1 + rng.IntN(3) {
		labels := map[string]string{"__name__": g.pick("metric"), "instance": g.pick("host"), "job": choose(rng, "node", g.pick("text"))}
		if rng.IntN(3) == 0 {
			labels["cluster"] = choose(rng, g.p.cluster, "cz")
			labels["hostname"] = g.pick("host")
		}
		if rng.IntN(3) == 0 {
			labels[g.pick("tag")] = g.pick("tagvalue")
		}
		var s remoteout.Series
		for _, name := range slices.Sorted(maps.Keys(labels)) {
			s.Labels = append(s.Labels, name, labels[name])
		}
		first := g.now.Add(-time.Duration(rng.IntN(3600)) * time.Second).UnixMilli()
		for i := range 1 + rng.IntN(3) {
			s.Samples = append(s.Samples, remoteout.Sample{Time: first + int64(i)*15_000, Value: g.sample()})
		}
		if rng.IntN(4) == 0 {
			s.Unit, s.Help = g.pick("text"), g.pick("text")
		}
		if rng.IntN(8) == 0 {
			s.Histograms, s.Exemplars = rng.IntN(2), rng.IntN(2)
		}
		list = append(list, s)
	}
	return string(snappy.Encode(nil, appendTo(nil, list)))
}

// said is all that a request says. In a body that is packed, words that repeat parts of others are not to be found.
func (r *request) said() string {
	if plain, err := snappy.Decode(nil, []byte(r.body)); err == nil {
		return r.target + r.body + string(plain)
	}
	return r.target + r.body
}
