package loadgen

import (
	"github.com/klauspost/compress/snappy"

	"granary/measures/ingest/remoteout"
)

// Format is how samples are written.
type Format string

// The formats.
const (
	Lines        Format = "line"           // line protocol
	RemoteWrite  Format = "remote-write"   // Prometheus remote write 1.0, as blocks of snappy
	RemoteWrite2 Format = "remote-write-2" // and 2.0
)

// contentType is what a sender says of a body; "" for nothing.
func (f Format) contentType() string {
	switch f {
	case RemoteWrite:
		return "application/x-protobuf"
	case RemoteWrite2:
		return "application/x-protobuf;proto=io.prometheus.write.v2.Request"
	}
	return ""
}

// version is the version of remote write.
func (f Format) version() string {
	if f == RemoteWrite2 {
		return "2.0.0"
	}
	return "0.1.0"
}

// path is where bodies go if nobody says so.
func (f Format) path() string {
	if f.contentType() == "" {
		return "/api/write/"
	}
	return "/api/v1/write"
}

// encoder is what appends the samples of n series from the first one on at a step, in a format. It is for one goroutine.
func (g *Generator) encoder(f Format) func(dst []byte, first, n int, step int64) []byte {
	if f.contentType() == "" {
		return g.AppendLines
	}
	var list []remoteout.Series
	var plain []byte
	var labels [][]string // of all series, made when they are sent first
	return func(dst []byte, first, n int, step int64) []byte {
		if labels == nil {
			labels = make([][]string, g.Series())
		}
		ms := g.Time(step).UnixMilli()
		list = list[:0]
		for i := first; i < first+n; i++ {
			if labels[i] == nil {
				labels[i] = g.labels(i)
			}
			list = append(list, remoteout.Series{Labels: labels[i], Samples: []remoteout.Sample{{Time: ms, Value: g.Value(i, step)}}})
		}
		if f == RemoteWrite {
			plain = remoteout.AppendV1(plain[:0], list)
		} else {
			plain = remoteout.AppendV2(plain[:0], list)
		}
		return append(dst, snappy.Encode(nil, plain)...)
	}
}

// labels are those of a series, sorted by name: what its lines have as tags.
func (g *Generator) labels(series int) []string {
	s := g.Sample(series, 0)
	list := []string{"__name__", s.Metric, "cluster", g.c.Name, "hostname", s.Host}
	if s.Type == "" {
		return append(list, "type", "node")
	}
	return append(list, "type", s.Type, "type-id", s.TypeID)
}
