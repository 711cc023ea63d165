package hawkular

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"granary/metricdef"
)

// TestWriteAtOnce: writers of the same metrics, and who deletes them meanwhile, leave every point of a metric that is never deleted.
func TestWriteAtOnce(t *testing.T) {
	s := newStored(t, false)
	const writers, rounds = 4, 60
	var all sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		all.Go(func() {
			for i := range rounds {
				at := w*rounds + i
				var b strings.Builder
				for m := range 5 {
					fmt.Fprintf(&b, `,{"id":"m%d","data":[{"timestamp":%d,"value":%d}]},{"id":"kept%d","data":[{"timestamp":%d,"value":%d}]}`, m, at, m, m, at, m)
				}
				// A metric that ends twice while it is being written to is answered 503; its sender comes again.
				for s.request(http.MethodPost, "/gauges/raw", "["+b.String()[1:]+"]").Code != http.StatusOK {
				}
			}
		})
	}
	go func() {
		all.Wait()
		close(done)
	}()
	for i := 0; ; i++ {
		select {
		case <-done:
			for m := range 5 {
				if got := s.count(metricdef.Gauge, fmt.Sprintf("kept%d", m)); got != writers*rounds {
					t.Errorf("kept%d has %d points", m, got)
				}
			}
			return
		default:
		}
		who, ok := s.store.Tenants.Lookup("t")
		if !ok {
			continue
		}
		if ref, ok := s.store.Definitions.Resolve(who.Num, metricdef.Gauge, fmt.Appendf(nil, "m%d", i%5)); ok {
			if _, err := s.store.DeleteDefinitions(t.Context(), []metricdef.Ref{ref}); err != nil {
				t.Error(err)
			}
		}
	}
}
