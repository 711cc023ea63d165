package gnocchi

import (
	"errors"

	"github.com/google/uuid"

	"granary/compat/gnocchi/points"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/measures/ingest"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// metricOfResource is the metric that a resource has under a name, nil if it has none.
func (c *call) metricOfResource(r *resource.Resource, name string) *metric {
	ref, ok := c.d.o.Definitions.LinkedAs(r.Tenant, r.ID, name)
	if !ok {
		return nil
	}
	m, ok := c.metricOf(ref)
	if !ok {
		return nil
	}
	return m
}

// postByResource stores measures of metrics that the body names by their resources and their names there. Those that there are not it makes
// if it is asked to.
func (c *call) postByResource() error {
	create, err := c.flag("create_metrics")
	if err != nil {
		return err
	}
	return c.take(func(in *intake, body []byte) error {
		if err := in.dec.Resources(body, c.now, &in.turn); err != nil {
			return err
		}
		found, err := in.resources(create)
		if err != nil {
			return err
		}
		return in.aimByName(found, create)
	})
}

// resources finds the resources of the body, by their numbers. nil is one that the caller does not see; that is an error if there is a
// metric to be made of it.
func (in *intake) resources(create bool) ([]*resource.Resource, error) {
	c := in.c
	found := make([]*resource.Resource, in.dec.NumResources())
	wanted := make([]bool, len(found))
	for i := range in.dec.Lists {
		wanted[in.dec.Lists[i].Resource] = true
	}
	var unknown []any
	for i := range found {
		text := string(in.dec.Resource(i))
		id, err := resourceID(text, c.creator)
		switch {
		case err != nil:
			return nil, schema.At(err, text, false)
		case !wanted[i]:
			continue
		}
		if found[i], err = c.findResource(anyType, id); err != nil {
			return nil, err
		}
		if found[i] == nil && create && len(unknown) < mostUnknown {
			o := &pyjson.Object{}
			o.Set("resource_id", id.String())
			o.Set("original_resource_id", text)
			unknown = append(unknown, o)
		}
		if i%64 == 63 {
			in.turn.Spent(64 * workOfMetric)
		}
	}
	if unknown != nil {
		return nil, caused("Unknown resources", "detail", unknown)
	}
	return found, nil
}

// place is where a metric is to be.
type place struct {
	tenant   tenant.Num
	resource uuid.UUID
	name     string
}

// aimByName says which metrics the lists of the body are of, if the caller may write to all of them. Nothing is made if anything is
// wrong with the body.
func (in *intake) aimByName(found []*resource.Resource, create bool) error {
	c := in.c
	var drafts []metricdef.Draft
	var fresh map[place]int // in drafts
	var lists [][2]int      // those that a draft is for, with its number
	for i := range in.dec.Lists {
		l := &in.dec.Lists[i]
		r, name := found[l.Resource], string(in.dec.Name(i))
		if r != nil {
			if m := c.metricOfResource(r, name); m != nil {
				in.aim(m)
				continue
			}
		}
		if r == nil || !create {
			id, err := resourceID(string(in.dec.Resource(l.Resource)), c.creator)
			if err != nil {
				return err
			}
			in.unknown(id.String() + "/" + name)
			continue
		}
		at := place{r.Tenant, r.ID, name}
		n, ok := fresh[at]
		if !ok {
			if len(drafts) == mostMade {
				return badRequest("a body makes at most %d metrics", mostMade)
			}
			d, err := in.draft(r, l, name)
			if err != nil {
				return err
			}
			if fresh == nil {
				fresh = map[place]int{}
			}
			n = len(drafts)
			drafts, fresh[at] = append(drafts, *d), n
		}
		lists = append(lists, [2]int{i, n})
		in.targets = append(in.targets, target{})
		in.looked()
	}
	if err := in.aimed(); err != nil || len(drafts) == 0 {
		return err
	}
	made, err := c.make(drafts)
	if err != nil {
		return err
	}
	for _, l := range lists {
		m := made[l[1]]
		if err := c.demand(postMeasures, &m.object); err != nil {
			return err
		}
		in.targets[l[0]] = in.target(m)
	}
	return nil
}

// mostMade is how many metrics a body makes.
const mostMade = 100_000

// draft is a metric to be made for a list. Who makes metrics of a resource has to be one who may change it.
func (in *intake) draft(r *resource.Resource, l *points.List, name string) (*metricdef.Draft, error) {
	o := in.c.objectOfResource(r)
	if err := in.c.demand(updateResource, &o); err != nil {
		return nil, err
	}
	if _, err := unitText(l.Unit); err != nil {
		return nil, schema.At(schema.At(schema.At(err, "unit", true), name, true), string(in.dec.Resource(l.Resource)), true)
	}
	d, err := in.c.draft(r.Tenant, newMetric{name: name, policy: l.Policy, unit: l.Unit})
	if err != nil {
		return nil, err
	}
	d.Resource = r.ID
	return d, nil
}

// make makes metrics of resources. One that somebody else makes at the same time is as good.
func (c *call) make(drafts []metricdef.Draft) ([]*metric, error) {
	metrics := make([]*metric, len(drafts))
	left := drafts
	at := make([]int, len(drafts)) // the place in metrics of each that is left
	for i := range at {
		at[i] = i
	}
	const rounds = 8
	for range rounds {
		var again []metricdef.Draft
		var places []int
		for i, made := range c.d.o.Store.CreateDefinitions(c.ctx, left) {
			ref := made.Ref
			var link *metricdef.LinkError
			switch {
			case errors.As(made.Err, &link):
				ref = link.Ref
			case made.Err != nil:
				return nil, made.Err
			}
			if m, ok := c.metricOf(ref); ok {
				metrics[at[i]] = m
				continue
			}
			again, places = append(again, left[i]), append(places, at[i]) // it has ended already, or is about to be there
		}
		if len(again) == 0 {
			return metrics, nil
		}
		left, at = again, places
	}
	return nil, &ingest.UnstableError{Rows: len(left)}
}
