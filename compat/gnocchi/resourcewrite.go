package gnocchi

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"granary/compat/gnocchi/filter"
	"granary/compat/gnocchi/pyjson"
	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// createResource makes a resource with its metrics.
func (c *call) createResource() error {
	t, err := c.resourceType()
	if err != nil {
		return err
	}
	b, err := c.resourceBody(t, true)
	if err != nil {
		return err
	}
	owner, err := c.ownerOf(b.project)
	if err != nil {
		return err
	}
	draft, err := b.draft(t, c.creator, c.now)
	if err != nil {
		return err
	}
	var metrics []measures.ResourceMetric
	num, err := c.ensure(owner, func(num tenant.Num) (err error) {
		metrics, err = c.wanted(b.metrics, num)
		return err
	})
	if err != nil {
		return err
	}
	r, _, err := c.d.o.Store.ChangeResource(c.ctx, &measures.ResourceChange{Tenant: num, ID: draft.ID, Create: draft, Metrics: metrics})
	if err != nil {
		return c.resourceFault(err, draft.ID)
	}
	return c.showChanged(http.StatusCreated, &r, t)
}

// updateResource changes what a resource says, and which metrics it has.
func (c *call) updateResource() error {
	r, t, err := c.resource(updateResource)
	if err != nil {
		return err
	}
	if err := met(c.r, r); err != nil {
		return err
	}
	b, err := c.resourceBody(t, false)
	if err != nil {
		return err
	}
	metrics, err := c.wanted(b.metrics, r.Tenant)
	if err != nil {
		return err
	}
	changed, _, err := c.d.o.Store.ChangeResource(c.ctx, &measures.ResourceChange{
		Tenant: r.Tenant, ID: r.ID, Update: b.update(), Metrics: metrics, Replace: b.replace,
		If: func(r *resource.Resource) error {
			if err := met(c.r, r); err != nil {
				return err
			}
			if err := c.keepsOwner(b, r); err != nil {
				return err
			}
			return b.fits(r, t)
		},
	})
	if err != nil {
		return c.resourceFault(err, r.ID)
	}
	return c.showChanged(http.StatusOK, &changed, t)
}

// resourceFault is what went wrong with a resource, in Gnocchi's words.
func (c *call) resourceFault(err error, id uuid.UUID) error {
	var exist *resource.ExistsError
	var unknown *resource.UnknownError
	var link *metricdef.LinkError
	var gone *metricdef.UnknownError
	switch {
	case errors.As(err, &exist):
		return exists("Resource %s already exists", id)
	case errors.As(err, &unknown):
		return noResource(id)
	case errors.As(err, &link):
		return exists("Named metric %s already exists", shorten(link.Label))
	case errors.As(err, &gone): // meanwhile
		return badRequest("A metric that is named does not exist any more")
	}
	return err
}

// deleteResource deletes a resource with its metrics.
func (c *call) deleteResource() error {
	r, _, err := c.resource(deleteResource)
	if err != nil {
		return err
	}
	c.target = r.ID.String()
	n, err := c.d.o.Store.DeleteResources(c.ctx, r.Tenant, []uuid.UUID{r.ID}, func(r *resource.Resource) error { return met(c.r, r) })
	switch {
	case err != nil:
		return err
	case n == 0:
		return noResource(r.ID)
	}
	return c.nothing()
}

// errDeleteAll refuses to delete what no query describes. The blanks are the reference's.
var errDeleteAll = badRequest("caution: the query can not be empty, or it will                   delete entire database")

// deleteResources deletes the resources of a type that a query describes, with their metrics, and answers how many there were.
func (c *call) deleteResources() error {
	t, err := c.resourceType()
	if err != nil {
		return err
	}
	q, err := c.resourceQuery()
	if err != nil {
		return err
	}
	if q == nil || filter.Everything(q) {
		return errDeleteAll
	}
	where, err := c.bind(q, t, false)
	if err != nil {
		return err
	}
	if err := c.enter(); err != nil {
		return err
	}
	c.target = t.Name
	deleted := 0
	defer func() { c.detail = map[string]any{"deleted": deleted} }()
	search := resource.Search{Tenants: c.scope(), Type: t.Name, Where: both(where, c.sight(deleteResources)), Limit: deleteStep}
	for more := true; more; {
		found, err := c.d.o.Resources.Search(c.ctx, search)
		if err != nil {
			return err
		}
		n, err := c.deleteFoundResources(found.Resources)
		deleted += n
		if err != nil {
			return err
		}
		more = found.More && n > 0
	}
	return c.answer(http.StatusOK, append(pyjson.Append([]byte(`{"deleted": `), deleted), '}'))
}

// deleteStep is how many resources a deletion by query looks for at a time.
const deleteStep = 10_000

// deleteFoundResources deletes resources that a search found, those of one tenant after the other, and says how many.
func (c *call) deleteFoundResources(found []resource.Resource) (deleted int, err error) {
	ids := make(map[tenant.Num][]uuid.UUID)
	was := make(map[tenant.Num]map[uuid.UUID]int64)
	for i := range found {
		r := &found[i]
		if was[r.Tenant] == nil {
			was[r.Tenant] = make(map[uuid.UUID]int64)
		}
		ids[r.Tenant] = append(ids[r.Tenant], r.ID)
		was[r.Tenant][r.ID] = r.RevisionStart
	}
	for _, num := range slices.Sorted(maps.Keys(ids)) {
		of := c.d.o.Tenants.ID(num)
		n, err := c.deleteUnchanged(num, ids[num], was[num])
		if n > 0 {
			c.reach(of)
		}
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// errChanged says that a resource is no longer what a search found.
var errChanged = errors.New("the resource has changed")

// deleteUnchanged deletes resources of a tenant as far as they are what they were when a search found them.
func (c *call) deleteUnchanged(num tenant.Num, ids []uuid.UUID, was map[uuid.UUID]int64) (deleted int, err error) {
	for len(ids) > 0 {
		var changed uuid.UUID
		n, err := c.d.o.Store.DeleteResources(c.ctx, num, ids, func(r *resource.Resource) error {
			if was[r.ID] != r.RevisionStart {
				changed = r.ID
				return errChanged
			}
			return nil
		})
		deleted += n
		if !errors.Is(err, errChanged) {
			return deleted, err
		}
		// What is gone already is passed over.
		ids = slices.DeleteFunc(ids, func(id uuid.UUID) bool { return id == changed })
	}
	return deleted, nil
}
