package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// Types is part of export.ResourceSource.
func (f *Offline) Types() []resource.Type { return f.store.Resources.Types() }

// resourcePage is how many resources are read at once.
const resourcePage = 1000

// EachResource is part of export.ResourceSource: tenant by tenant, the resources of each in the order of their ids.
func (f *Offline) EachResource(ctx context.Context, only tenant.Num, fn func(tenant.ID, []resource.Resource, []metricdef.Definition) error) error {
	for _, t := range f.store.Tenants.All() {
		if only != 0 && only != t.Num {
			continue
		}
		q := resource.Search{Tenants: []tenant.Num{t.Num}, Sort: []resource.SortKey{{Attribute: "id"}}, Limit: resourcePage}
		for more := true; more; {
			found, err := f.store.Resources.Search(ctx, q)
			if err != nil {
				return err
			}
			for i := range found.Resources {
				r := &found.Resources[i]
				if err := fn(t.ID, f.store.Resources.History(t.Num, r.ID), f.metricsOf(t.Num, r)); err != nil {
					return err
				}
				q.After = &resource.Marker{ID: r.ID, Tenant: t.Num}
			}
			more = found.More
		}
	}
	return nil
}

func (f *Offline) metricsOf(t tenant.Num, r *resource.Resource) (list []metricdef.Definition) {
	for _, ref := range f.store.Definitions.Linked(t, r.ID) {
		if d, ok := f.store.Definitions.Get(ref); ok {
			list = append(list, d)
		}
	}
	return list
}

// PutType is part of export.ResourceSink.
func (f *Offline) PutType(ctx context.Context, t resource.Type) (existed bool, err error) {
	err = f.store.CreateResourceType(ctx, t)
	var exists *resource.ExistsError
	if !errors.As(err, &exists) {
		return false, err
	}
	have, _ := f.store.Resources.Type(t.Name)
	if !slices.EqualFunc(have.Attributes, t.Attributes, func(a, b resource.Attribute) bool { return a.Equal(&b) }) {
		return true, fmt.Errorf("resource type %q exists already, with other attributes", t.Name)
	}
	return true, nil
}

// PutResource is part of export.ResourceSink.
func (f *Offline) PutResource(ctx context.Context, owner tenant.ID, d resource.Draft, metrics []metricdef.Draft) (existed bool, err error) {
	num, err := f.store.EnsureTenant(ctx, owner)
	if err != nil {
		return false, err
	}
	c := &measures.ResourceChange{Tenant: num, ID: d.ID, Create: &d}
	for i := range metrics {
		c.Metrics = append(c.Metrics, measures.ResourceMetric{Label: metrics[i].Label, Draft: &metrics[i]})
	}
	_, _, err = f.store.ChangeResource(ctx, c)
	var exists *resource.ExistsError
	if errors.As(err, &exists) {
		return true, nil
	}
	return false, err
}
