package loadgen

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report says what a run sent and what became of it.
type Report struct {
	Target  string `json:"target"`
	Hosts   int    `json:"hosts"`
	Series  int    `json:"series"`
	Batches int64  `json:"batches"`
	Bytes   int64  `json:"bytes"` // of the bodies, before compression
	// Sent counts the samples that were sent once, Acknowledged those of them in batches that were accepted.
	Sent         int64 `json:"samples_sent"`
	Acknowledged int64 `json:"samples_acknowledged"`
	Retries      int64 `json:"retries"`
	// Seconds is the time from the first batch to the last answer.
	Seconds float64 `json:"seconds"`
	// Rate is Acknowledged in a second.
	Rate    float64 `json:"samples_per_second"`
	Latency Latency `json:"latency_ms"`
	// Status counts the answers by status; "error" are those without any.
	Status map[string]int64 `json:"status"`
	// Ignored counts by reason what the server took and did not store, as its header X-Granary-Ignored says.
	Ignored map[string]int64 `json:"ignored,omitempty"`
	// Refusals are the distinct texts that refused batches, the first MaxRefusals of them.
	Refusals map[string]int64 `json:"refusals,omitempty"`
}

// Latency is the time of one batch from its first byte to the end of the answer, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// MaxRefusals bounds the texts that a report keeps, and maxRefusal their length.
const (
	MaxRefusals = 20
	maxRefusal  = 300
)

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Print writes the report for a reader.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d hosts, %d series\n", r.Target, r.Hosts, r.Series)
	fmt.Fprintf(&b, "sent          %d samples in %d batches, %.1f MB\n", r.Sent, r.Batches, float64(r.Bytes)/1e6)
	fmt.Fprintf(&b, "acknowledged  %d samples in %.1f s: %.0f samples/s\n", r.Acknowledged, r.Seconds, r.Rate)
	fmt.Fprintf(&b, "latency       p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, max %.2f ms\n", r.Latency.P50, r.Latency.P90, r.Latency.P99, r.Latency.Max)
	if r.Retries > 0 {
		fmt.Fprintf(&b, "retries       %d\n", r.Retries)
	}
	counts(&b, "answers       ", r.Status)
	counts(&b, "ignored       ", r.Ignored)
	for _, text := range slices.Sorted(maps.Keys(r.Refusals)) {
		fmt.Fprintf(&b, "refused       %d times: %s\n", r.Refusals[text], text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func counts(b *strings.Builder, head string, m map[string]int64) {
	if len(m) == 0 {
		return
	}
	b.WriteString(head)
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%s: %d", k, m[k])
	}
	b.WriteByte('\n')
}
