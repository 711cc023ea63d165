package ingest

import (
	"fmt"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/ingest/line"
	"granary/tenant"
	"granary/tenant/usage"
)

// TestTenantThatEnds: lines that the cache takes for those of a tenant that was deleted are stored in the one that has its name now, all of
// them, in bodies of one part and of many, and of several tenants.
func TestTenantThatEnds(t *testing.T) {
	for _, rows := range []int{0, 3} {
		s, _, _ := openStore(t, func() time.Time { return start })
		w := New(s, s.Definitions, Options{Now: func() time.Time { return start }, Tenants: s.Tenants, MaxRows: rows})
		m := &line.ClusterCockpit{Tenant: func(cluster string) (tenant.Num, error) { return s.EnsureTenant(t.Context(), tenant.ID(cluster)) }}
		var body []byte
		sizes := map[tenant.ID]uint64{}
		for i := range 20 {
			id := []tenant.ID{"a", "b"}[i/2%2]
			line := fmt.Sprintf("m%d,cluster=%s,hostname=h value=1 %d\n", i, id, start.Unix())
			body, sizes[id] = append(body, line...), sizes[id]+uint64(len(line))
		}
		for round := range 6 {
			if r, err := w.WriteLines(t.Context(), m, body); err != nil || r.Stored != 20 || r.Lines != 20 {
				t.Fatalf("round %d: %+v, %v", round, r, err)
			}
			for i, id := range []tenant.ID{"a", "b"} {
				x, ok := s.Tenants.Lookup(id)
				if !ok || len(s.Definitions.OfTenant(x.Num)) != 10 {
					t.Errorf("round %d: %s has %d series", round, id, len(s.Definitions.OfTenant(x.Num)))
				}
				hours, err := s.Usage.Hours(x.Num, 0, start.Unix()+1)
				if err != nil {
					t.Fatal(err)
				}
				var c usage.Counts
				for i := range hours {
					c.Add(&hours[i].Counts)
				}
				times := uint64(1)
				if i == 1 {
					times += uint64(round % 2)
				}
				if c.Samples != 10*times || c.Bytes != times*sizes[id] {
					t.Errorf("round %d: %s has used %+v", round, id, c)
				}
				if i == 0 || round%2 == 1 {
					if err := s.DeleteTenant(t.Context(), x.Num); err != nil {
						t.Fatal(err)
					}
				}
			}
			if round == 3 {
				if err := s.SweepTenants(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

var _ measures.Pieces = (*line.Part)(nil)
