package config

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"granary/compat/clustercockpit"
	"granary/measures/ingest/mapping"
)

// Mapping is granary.mapping: what is made of samples that other monitoring sends.
type Mapping struct {
	Defaults   bool           // defaults: the rules of mapping.Defaults hold, but for metrics of which Rules say something
	Rules      []mapping.Rule // rules
	RateGap    time.Duration  // rate-gap: samples that are further apart give no rate
	MaxSources int64          // max-sources: series of which something is remembered
}

func defaultMapping() Mapping {
	return Mapping{Defaults: true, RateGap: mapping.DefaultRateGap, MaxSources: mapping.DefaultMaxSources}
}

// Table are all rules in force.
func (m *Mapping) Table() []mapping.Rule {
	if m.Defaults {
		return mapping.WithDefaults(m.Rules)
	}
	return m.Rules
}

// mappingDialects are the dialects whose samples the table takes.
var mappingDialects = []string{clustercockpit.Name, "influx", "prometheus"}

// read reads granary.mapping.
func (m *Mapping) read(s *section) {
	s.bool("defaults", &m.Defaults)
	s.duration("rate-gap", &m.RateGap, time.Second)
	s.integer("max-sources", &m.MaxSources, 1, math.MaxInt32)
	s.each("rules", func(rule *section) {
		if r, ok := readMapping(rule); ok {
			m.Rules = append(m.Rules, r)
		}
	})
	s.end(true)
}

// readMapping reads one rule. It is false if there is none, or it is no good, which has been said.
func readMapping(s *section) (r mapping.Rule, ok bool) {
	before := len(s.r.errs)
	s.text("name", &r.Name)
	r.Dialects, _ = s.texts("dialects")
	s.text("combine", &r.Combine, mapping.Sum, mapping.Avg, mapping.Min, mapping.Max)
	r.By, _ = s.texts("by")
	r.Rename = s.pairs("rename")
	r.Tags = s.pairs("tags")
	s.text("unit", &r.Unit)
	s.duration("slot", &r.Slot, 0)
	s.bool("keep", &r.Keep)
	s.each("from", func(f *section) {
		var m mapping.Match
		f.text("metric", &m.Metric)
		m.Labels = f.pairs("labels")
		f.factor("scale", &m.Scale)
		f.bool("rate", &m.Rate)
		f.end(true)
		if f.n != nil {
			r.From = append(r.From, m)
		}
	})
	s.end(true)
	if s.n == nil || len(s.r.errs) > before {
		return r, false
	}
	for _, d := range r.Dialects {
		if !slices.Contains(mappingDialects, d) {
			s.warn(s.n.find("dialects"), Doubtful, "dialects", "no samples come by a dialect %q; there are %s", shorten(d), strings.Join(mappingDialects, ", "))
		}
	}
	var invalid *mapping.RuleError
	if _, err := mapping.Compile([]mapping.Rule{r}, mapping.Options{}); errors.As(err, &invalid) {
		s.r.errs = append(s.r.errs, &Error{s.n.file, s.n.line, s.path + "." + invalid.Member, invalid.Text + ", found " + strconv.Quote(shorten(invalid.Value))})
		return r, false
	}
	return r, true
}

// pairs reads an object of texts, which may be empty.
func (s *section) pairs(key string) map[string]string {
	n := s.get(key)
	if n == nil {
		return nil
	}
	if n.kind != object {
		s.wrong(n, key, "an object of texts")
		return nil
	}
	pairs := make(map[string]string)
	for _, m := range n.members {
		if m.value.kind != text {
			s.r.wrong(m.value, join(join(s.path, key), m.key), "a text")
			continue
		}
		pairs[m.key] = m.value.text
	}
	return pairs
}

// factor reads a number that is not zero, as such or as a fraction such as "1/1048576".
func (s *section) factor(key string, dst *float64) {
	n := s.get(key)
	if n == nil {
		return
	}
	above, below, fraction := strings.Cut(n.text, "/")
	v, err := strconv.ParseFloat(strings.TrimSpace(above), 64)
	if fraction && err == nil {
		var by float64
		by, err = strconv.ParseFloat(strings.TrimSpace(below), 64)
		v /= by
	}
	if n.kind != number && !(n.kind == text && fraction) || err != nil || v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		s.wrong(n, key, `a number other than 0, or a fraction such as "1/1048576"`)
		return
	}
	*dst = v
}
