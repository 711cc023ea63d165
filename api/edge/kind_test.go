package edge

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"granary/tenant"
)

// TestRetryAfter: an error that only somebody's doing ends is told without a time.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&tenant.RateError{Wait: 1500 * time.Millisecond}, "2"},
		{&tenant.LimitError{Setting: "granary.tenants.create-rate", Max: 1, Wait: 6 * time.Second}, "6"},
		{&tenant.LimitError{Setting: "granary.tenants.max", Max: 1}, ""},
		{fmt.Errorf("wrapped: %w", tenant.Over("a", tenant.LimitSeries, 2, 1)), ""},
		{fmt.Errorf("anything"), "1"},
		{nil, "1"},
	} {
		h := http.Header{}
		SetRetryAfter(h, c.err)
		if got := h.Get("Retry-After"); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
