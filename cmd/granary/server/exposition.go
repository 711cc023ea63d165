package server

import (
	"bufio"
	"io"
	"net/http"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"granary/api/edge"
)

// family is a metric of tenants, with a label beside that of the tenant.
type family struct{ name, kind, label, help string }

// exposition writes metrics as text while they are read. The library gathers all of them first, which with thousands of tenants
// were tens of megabytes of garbage at every look.
type exposition struct {
	w    *bufio.Writer
	line []byte
	last *family // whose lines come now
}

// expose answers with the service's metrics, and with what tenants writes behind them.
func (s *Server) expose(w http.ResponseWriter, r *http.Request, service prometheus.Gatherer, tenants func(*exposition)) {
	families, err := service.Gather()
	if err != nil {
		s.o.Logger.Error("metrics not served", "error", err)
		http.Error(w, "metrics could not be gathered", http.StatusInternalServerError)
		return
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	h := w.Header()
	h.Set("Content-Type", string(format))
	h.Add("Vary", "Accept-Encoding")
	out := io.Writer(w)
	if edge.AcceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // fails on an unknown level only
		defer z.Close()
		out = z
	}
	e := &exposition{w: bufio.NewWriterSize(out, 16<<10)}
	encoder := expfmt.NewEncoder(e.w, format)
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return // the client is gone
		}
	}
	tenants(e)
	_ = e.w.Flush()
}

// put writes one value. All of a family must come one behind the other. No label has anything that would have to be escaped: they
// are ids of tenants and names of our own.
func (e *exposition) put(f *family, tenant, label string, v float64) {
	b := e.line[:0]
	if e.last != f {
		e.last = f
		for _, part := range []string{"# HELP ", f.name, " ", f.help, "\n# TYPE ", f.name, " ", f.kind, "\n"} {
			b = append(b, part...)
		}
	}
	for _, part := range []string{f.name, "{", f.label, `="`, label, `",tenant="`, tenant, `"} `} {
		b = append(b, part...)
	}
	e.line = append(strconv.AppendFloat(b, v, 'g', -1, 64), '\n')
	_, _ = e.w.Write(e.line) // it keeps its error, and the client is gone then
}
