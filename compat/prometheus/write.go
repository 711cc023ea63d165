package prometheus

import (
	"net/http"
	"strconv"

	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/remote"
)

// The fields of an answer that say how much of a request is stored.
const (
	headerSamples    = "X-Prometheus-Remote-Write-Samples-Written"
	headerHistograms = "X-Prometheus-Remote-Write-Histograms-Written"
	headerExemplars  = "X-Prometheus-Remote-Write-Exemplars-Written"
)

// write stores a request: what is good of it, whatever the rest is. What is not stored makes the answer 400, which says what and why; the
// sender must not come again with it.
func (c *call) write() error {
	if err := c.negotiate(); err != nil {
		return err
	}
	c.written(0)
	message, err := c.read()
	if err != nil {
		return err
	}
	in := c.d.takeIntake()
	defer in.end()
	in.begin(c)
	err = in.store(message)
	in.count(len(message), err)
	refused := in.refusal()
	c.written(in.stored + in.consumed)
	for why, n := range in.lost {
		in.ignored[why] += n // they are counted, and nothing that their sender could mend
	}
	if reasons := ingest.IgnoredHeader(&in.ignored); reasons != "" {
		c.w.Header()["X-Granary-Ignored"] = []string{reasons}
	}
	if err != nil {
		if in.stored > 0 {
			err = &partError{err, in.stored, len(in.times)}
		}
		return err
	}
	if refused != nil {
		return refused
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// written says how many samples are stored. Histograms and exemplars never are.
func (c *call) written(samples int) {
	h := c.w.Header()
	h[headerSamples] = []string{strconv.Itoa(samples)}
	h[headerHistograms], h[headerExemplars] = zero, zero
}

var zero = []string{"0"}

// count counts a request with those of the other dialects. A line is a sample, or a series that could not be read.
func (in *intake) count(size int, err error) {
	c := in.c.d.o.Counters.Dialect(Name)
	c.Bodies.Add(1)
	c.Bytes.Add(uint64(size))
	c.Stored.Add(uint64(in.stored + in.made))
	lines := in.stored + in.consumed + in.malformed
	for why, n := range in.ignored {
		if n > 0 {
			c.Ignored[why].Add(uint64(n))
			lines += n
		}
	}
	for why, n := range in.lost {
		c.Ignored[why].Add(uint64(n))
	}
	c.Lines.Add(uint64(lines))
	c.Malformed.Add(uint64(in.malformed))
	c.Remarks.Add(uint64(in.r.Metadata + in.r.Starts))
	c.Stale.Add(uint64(in.stale))
	if err != nil && in.malformed == 0 {
		c.Failed.Add(1)
	}
}

// refusal is the answer to a request of which something is not stored, nil if all of it is.
func (in *intake) refusal() error {
	refused := 0
	for _, n := range in.ignored {
		refused += n
	}
	if refused == 0 && in.malformed == 0 {
		return nil
	}
	return &refusedError{in.faults, in.stored + in.consumed, refused, ingest.IgnoredHeader(&in.ignored)}
}

// other counts what a request has beside samples, and is not stored.
func (in *intake) other(r *remote.Reader) {
	if n := r.Histograms; n > 0 {
		in.ignored[measures.Histogram] += n
		in.fault("%d native histograms are not stored: scrape classic buckets, or leave send_native_histograms off", n)
	}
	if n := r.Exemplars; n > 0 {
		in.ignored[measures.Exemplar] += n
		in.fault("%d exemplars are not stored: leave send_exemplars off", n)
	}
}
