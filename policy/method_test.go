package policy

import (
	"errors"
	"testing"
)

func TestMethodNames(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range append(Methods(), Percentile(99.9), Percentile(0.01).Rate(), Percentile(99.99)) {
		name := m.String()
		if seen[name] || !m.Valid() {
			t.Errorf("%q twice or not valid", name)
		}
		seen[name] = true
		if got, err := ParseMethod(name); err != nil || got != m {
			t.Errorf("ParseMethod(%q) = %v, %v", name, got, err)
		}
	}
	if len(Methods()) != 2*(11+99) || !seen["95pct"] || !seen["rate:median"] || !seen["99.99pct"] || !seen["rate:0.01pct"] {
		t.Errorf("%d methods", len(Methods()))
	}
	for _, bad := range []string{"", "none", "Mean", "mean ", "rate:", "rate:none", "rate:rate:mean", "0pct", "100pct", "pct", "-1pct", "1e1pct", "NaNpct",
		"12.345pct", "infpct", "+5pct", "unknown"} {
		var e *MethodError
		if m, err := ParseMethod(bad); !errors.As(err, &e) || m != NoMethod {
			t.Errorf("ParseMethod(%q) = %v, %v", bad, m, err)
		}
	}
	for _, m := range []Method{NoMethod, numBases, methodRate, Sum | 1<<9, Sum | 1<<methodPercent, 100_00 << methodPercent} {
		if m.Valid() {
			t.Errorf("%#x is valid", uint32(m))
		}
	}
	if Percentile(50) == Median || !Mean.Rate().IsRate() || Mean.Rate().Plain() != Mean {
		t.Error("flags")
	}
}

func FuzzParseMethod(f *testing.F) {
	for _, s := range []string{"mean", "95pct", "rate:99.9pct", "0.1pct", "00001pct", "1.pct"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMethod(s)
		if err != nil {
			return
		}
		if again, err := ParseMethod(m.String()); err != nil || again != m || !m.Valid() {
			t.Errorf("%q: %v reads as %v, %v", s, m, again, err)
		}
	})
}
