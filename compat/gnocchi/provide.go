package gnocchi

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"granary/api/edge"
	"granary/measures"
	"granary/measures/ingest"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// Senders of Influx and Prometheus know nothing of resources and metrics: what their samples are of is made when it is first seen.

// origin is a resource of a body, which is made if it is not there.
type origin struct {
	id         uuid.UUID
	original   string
	attributes map[string]resource.Value
	lists      []int // of its metrics, in the body
}

// faults are the parts of a body that are not stored although others are.
type faults struct {
	n, of int    // parts
	what  string // a part is
	first string
}

func (f *faults) add(where string, err error) {
	if f.n == 0 {
		f.first = where + ": " + edge.DetailOf(err)
	}
	f.n++
}

func (f *faults) text() string {
	return fmt.Sprintf("%d of %d %s were not stored: %s", f.n, f.of, f.what, f.first)
}

// provide finds the metrics of the lists of the body, which belong to origins, and makes those that there are not. A list whose metric
// cannot be is a fault if the body may be stored in part, else the error.
func (in *intake) provide(t *resource.Type, origins []*origin, names []string, partly bool) error {
	in.targets = append(in.targets[:0], make([]target, len(in.dec.Lists))...)
	for i, s := range origins {
		err := in.provideOne(t, s, names)
		switch {
		case err == nil:
		case partly && permanent(err):
			for _, l := range s.lists {
				if in.targets[l].ref == 0 {
					in.faults.add(shorten(names[l]), err)
				}
			}
		default:
			return err
		}
		if i%64 == 63 {
			in.turn.Spent(64 * workOfOrigin)
		}
	}
	return nil
}

// workOfOrigin is the work of finding a resource and its metrics, in units of turns.
const workOfOrigin = 2000

// permanent says whether an error would come again if the same were sent again.
func permanent(err error) bool {
	status := statusOf(err)
	return status >= 400 && status < 429
}

// provideOne is provide for one origin.
func (in *intake) provideOne(t *resource.Type, s *origin, names []string) error {
	c := in.c
	const rounds = 8
	for range rounds {
		r, err := c.findResource(anyType, s.id)
		if err != nil {
			return err
		}
		missing, err := in.find(r, s, names)
		if err != nil || len(missing) == 0 {
			return err
		}
		change, err := in.change(t, r, s, missing)
		if err != nil {
			return err
		}
		// Made metrics are found as others are.
		var link *metricdef.LinkError
		var unknown *resource.UnknownError
		if _, _, err = c.d.o.Store.ChangeResource(in.ctx, change); err != nil && !errors.As(err, &link) && !errors.As(err, &unknown) {
			return c.resourceFault(err, s.id)
		}
	}
	return &ingest.UnstableError{Rows: len(s.lists)}
}

// find finds the metrics that a resource has, nil has none, and gives the names of those that it has not.
func (in *intake) find(r *resource.Resource, s *origin, names []string) (missing []string, err error) {
	for _, l := range s.lists {
		var m *metric
		if r != nil {
			m = in.c.metricOfResource(r, names[l])
		}
		if m == nil {
			missing = append(missing, names[l])
			continue
		}
		if err := in.c.demand(postMeasures, &m.object); err != nil {
			return nil, err
		}
		in.targets[l] = in.target(m)
	}
	slices.Sort(missing)
	return slices.Compact(missing), nil
}

// change is what makes a resource, if it is nil, and metrics of it.
func (in *intake) change(t *resource.Type, r *resource.Resource, s *origin, missing []string) (*measures.ResourceChange, error) {
	c := in.c
	var num tenant.Num
	if r != nil {
		o := c.objectOfResource(r)
		if err := c.demand(updateResource, &o); err != nil {
			return nil, err
		}
		num = r.Tenant
	} else {
		var err error
		if num, err = c.d.o.Store.EnsureTenant(in.ctx, c.home); err != nil {
			return nil, err
		}
		c.num = num // the tenant may be new
	}
	change := &measures.ResourceChange{Tenant: num, ID: s.id, Update: &resource.Update{}, Create: &resource.Draft{
		Original: s.original, Type: t.Name, Creator: c.creator, Started: c.now.UnixMicro() * 1000, Attributes: s.attributes,
	}}
	for _, name := range missing {
		d, err := c.draft(num, newMetric{name: name, tagged: true})
		if err != nil {
			return nil, err
		}
		change.Metrics = append(change.Metrics, measures.ResourceMetric{Label: name, Draft: d})
	}
	return change, nil
}
