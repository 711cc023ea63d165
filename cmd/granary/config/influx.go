package config

import (
	"granary/compat/influx"
	"granary/measures/ingest/line"
	"granary/tenant"
)

// Influx is granary.compat.influx.
type Influx struct {
	Enabled bool
	// Databases name tenants by "db", "db/rp", "bucket" or "org/bucket": databases.
	Databases map[string]tenant.ID
	// Fields is what becomes of fields that are no numbers: strings, booleans. TenantFields is the same by tenant: tenants.
	Fields       influx.Fields
	TenantFields map[tenant.ID]influx.Fields
	Bounds       Bounds
	MaxRequest   int64 // max-request: bytes of the body of a query
}

func defaultInflux() Influx {
	return Influx{Enabled: true, Databases: map[string]tenant.ID{}, TenantFields: map[tenant.ID]influx.Fields{}, Bounds: defaultBounds(), MaxRequest: influx.DefaultRequest}
}

func (c *Config) readInflux(s *section) {
	f := &c.Influx
	s.bool("enabled", &f.Enabled)
	s.tenantsBy("databases", f.Databases)
	s.fields(&f.Fields)
	tenants := s.sub("tenants")
	members := []member{{key: "NAME"}} // so that the keys are known without one
	if tenants.n != nil {
		members = tenants.n.members
	}
	for _, m := range members {
		own := f.Fields
		t := s.r.section(m.value, join(tenants.path, m.key))
		t.fields(&own)
		t.end(true)
		if t.n == nil {
			continue
		}
		id, err := tenant.Parse(m.key)
		if err != nil {
			s.r.wrong(m.value, t.path, "the id of a tenant as the key: "+err.Error())
			continue
		}
		f.TenantFields[id] = own
	}
	f.Bounds.read(s.sub("bounds"))
	s.size("max-request", &f.MaxRequest, 1<<10, 1<<30)
	s.end(true)
}

// tenantsBy reads an object whose members are tenants.
func (s *section) tenantsBy(key string, dst map[string]tenant.ID) {
	list := s.sub(key)
	if list.n == nil {
		return
	}
	for _, m := range list.n.members {
		var id tenant.ID
		if list.tenant(m.key, &id); id != "" {
			dst[m.key] = id
		}
	}
}

// fields reads what becomes of fields that are no numbers.
func (s *section) fields(f *influx.Fields) {
	treatment := func(key, take string, dst *line.Treatment) {
		words := []string{take, "ignore", "refuse"} // in the order of the treatments
		text := words[*dst]
		s.text(key, &text, words...)
		for i, word := range words {
			if text == word {
				*dst = line.Treatment(i)
			}
		}
	}
	treatment("strings", "store", &f.Strings)
	treatment("booleans", "number", &f.Booleans)
}
