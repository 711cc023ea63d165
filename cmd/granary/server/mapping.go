package server

import (
	"reflect"
	"sync/atomic"

	"granary/cmd/granary/config"
	"granary/measures"
	"granary/measures/ingest/mapping"
)

// rules is the mapping in force, for all dialects that take samples in bulk.
type rules struct {
	options  mapping.Options
	counters mapping.Counters
	cfg      config.Mapping // that of table; only reload writes it
	table    atomic.Pointer[mapping.Table]
}

// newRules puts a mapping into force.
func newRules(store *measures.Store, cfg config.Mapping, o Options) (*rules, error) {
	r := &rules{options: mapping.Options{Policies: store.Policies, Gone: store.Tenants.Gone, Now: o.Now}}
	r.options.Counters = &r.counters
	return r, r.put(cfg)
}

// Current is the table in force. No rules have none, for what is read from files.
func (r *rules) Current() *mapping.Table {
	if r == nil {
		return nil
	}
	return r.table.Load()
}

// put puts a mapping into force in the place of the present one. What is remembered of series is forgotten if it is another one.
func (r *rules) put(cfg config.Mapping) error {
	old := r.table.Load()
	if old != nil && reflect.DeepEqual(cfg, r.cfg) {
		return nil
	}
	o := r.options
	o.RateGap, o.MaxSources = cfg.RateGap, int(cfg.MaxSources)
	table, err := mapping.Compile(cfg.Table(), o)
	if err != nil {
		return err
	}
	r.cfg = cfg
	r.table.Store(table)
	old.Close()
	return nil
}

// collect gives what /metrics says of the mapping.
func (r *rules) collect(gauge, count func(name, help string, v float64, labels ...string)) {
	c := &r.counters
	gauge("mapping_sources", "Series that the mapping remembers something of.", float64(c.Sources.Load()))
	count("mapping_samples_total", "Samples that were made of others, and stored.", float64(c.Derived.Load()))
	count("mapping_rates_begun_total", "Rates that began, and gave nothing for their first value.", float64(c.Begun.Load()))
	count("mapping_gaps_total", "Rates that began anew after a gap.", float64(c.Gaps.Load()))
	count("mapping_resets_total", "Counters that were seen to begin at zero again.", float64(c.Resets.Load()))
	count("mapping_sources_let_go_total", "Series that were forgotten, by why.", float64(c.Idle.Load()), "why", "idle")
	count("mapping_sources_let_go_total", "Series that were forgotten, by why.", float64(c.Pushed.Load()), "why", "room")
	for d := range mapping.NumDrops {
		count("mapping_dropped_total", "Samples that gave nothing, by reason.", float64(c.Dropped[d].Load()), "reason", d.String())
	}
}
