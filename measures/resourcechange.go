package measures

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// ResourceMetric is a metric that a resource gets, under a label.
type ResourceMetric struct {
	Label string
	// Ref is one that exists, which leaves the resource that it had and takes the label; if it is 0, Draft is one to make. Tenant, label and
	// resource of the draft are those of the change, whatever it says.
	Ref   metricdef.Ref
	Draft *metricdef.Draft
}

// ResourceChange is what becomes of one resource, and of the metrics that belong to it.
type ResourceChange struct {
	Tenant tenant.Num
	ID     uuid.UUID
	Create *resource.Draft  // if there is none of that id; its tenant and id are those of the change
	Update *resource.Update // if there is one; if both are nil, only metrics change
	// If, if not nil, is asked about a resource that exists, and nothing is done if it answers an error, which is returned. Nothing changes
	// the resource between it and the change.
	If      func(*resource.Resource) error
	Metrics []ResourceMetric
	Replace bool // metrics of the resource that Metrics does not name leave it; they are not deleted
}

// ChangeResource makes or changes a resource and its metrics in one step, which is in the journal and visible when it returns, or of which
// nothing is done. It returns the resource as it is then, and the ref of each of the metrics, in their order. A change of what the
// resource says makes a revision; the same values, or metrics alone, make none.
//
// Errors are, among others: *resource.ExistsError if there is a resource that was to be made, *resource.UnknownError if there is none that
// was to change, *metricdef.LinkError if a label is another metric's, *metricdef.UnknownError for a Ref that the tenant does not have.
//
// A machine that dies before it returns may keep a part of the change if it is larger than a record of the journal: the resource with some of its
// metrics. That is the case from about 2,000 metrics on.
func (s *Store) ChangeResource(ctx context.Context, c *ResourceChange) (resource.Resource, []metricdef.Ref, error) {
	s.defining.Lock()
	defer s.defining.Unlock()
	if err := s.changeable(ctx); err != nil {
		return resource.Resource{}, nil, err
	}
	w := &resourceWork{s: s, c: c, p: &pending{wrote: s.o.Now().UnixNano()}}
	if err := w.plan(); err != nil {
		return resource.Resource{}, nil, err
	}
	if err := w.sequence(); err != nil {
		return resource.Resource{}, nil, err
	}
	if w.p.seq != 0 {
		if err := s.commit(w.p); err != nil {
			return resource.Resource{}, nil, err
		}
		s.nameAgain(w.segment, func(p *pending) {
			key := resource.Ref{Tenant: c.Tenant, ID: c.ID}
			delete(s.seq.resources, key)
			s.nameResource(p, key)
		})
	}
	res, _ := s.Resources.Get(c.Tenant, c.ID)
	return res, w.refs, nil
}

// resourceWork is one change of a resource on its way. Under s.defining.
type resourceWork struct {
	s       *Store
	c       *ResourceChange
	p       *pending
	typ     string // of the resource
	created bool
	rec     []byte            // of the resource; empty: it stays as it is
	drafts  []metricdef.Draft // by place in c.Metrics; those to be made have a name
	updates []DefinitionUpdate
	refs    []metricdef.Ref // by place in c.Metrics; 0: to be made
	segment uint64          // of the journal, that the record was written for
}

// plan finds out what there is to do, and whether it can be done.
func (w *resourceWork) plan() (err error) {
	s, c := w.s, w.c
	if _, ok := s.Tenants.ByNum(c.Tenant); !ok || s.Tenants.Gone(c.Tenant) {
		return &tenant.UnknownError{Num: c.Tenant}
	}
	old, exists := s.Resources.Get(c.Tenant, c.ID)
	switch {
	case exists && c.Create != nil && c.Update == nil:
		return &resource.ExistsError{What: "resource", Name: c.ID.String()}
	case !exists && c.Create == nil:
		return &resource.UnknownError{ID: c.ID}
	}
	w.typ = old.Type
	if exists && c.If != nil {
		if err := c.If(&old); err != nil {
			return err
		}
	}
	switch {
	case !exists:
		d := *c.Create
		d.Tenant, d.ID = c.Tenant, c.ID
		w.typ, w.created = d.Type, true
		w.rec, err = s.Resources.AppendCreate(nil, &d, w.p.wrote)
	case c.Update != nil:
		w.rec, err = s.Resources.AppendUpdate(nil, c.Tenant, c.ID, c.Update, w.p.wrote)
	}
	if err != nil {
		return err
	}
	return w.planMetrics()
}

func (w *resourceWork) planMetrics() error {
	s, c := w.s, w.c
	w.refs, w.drafts = make([]metricdef.Ref, len(c.Metrics)), make([]metricdef.Draft, len(c.Metrics))
	named := make(map[metricdef.Ref]bool)
	labels, ids := make(map[string]bool), make(map[string]bool)
	for _, m := range c.Metrics {
		if m.Ref != 0 {
			if s.Definitions.Tenant(m.Ref) != c.Tenant {
				return &metricdef.UnknownError{Ref: m.Ref}
			}
			if named[m.Ref] {
				return &metricdef.LinkError{Resource: c.ID, Label: m.Label, Ref: m.Ref}
			}
			named[m.Ref] = true
		}
		if labels[m.Label] {
			return &metricdef.LinkError{Resource: c.ID, Label: m.Label} // two of one change
		}
		labels[m.Label] = true
	}
	for i := range c.Metrics {
		m := &c.Metrics[i]
		// What has the label leaves it if it gets another one by this change, or is not among those that the resource is to have.
		if ref, ok := s.Definitions.LinkedAs(c.Tenant, c.ID, m.Label); ok && ref != m.Ref && !named[ref] {
			switch {
			case w.created && m.Ref == 0:
				// It is left of a resource that was lost with a damaged file, and comes back.
				w.refs[i], named[ref] = ref, true
				continue
			case !c.Replace:
				return &metricdef.LinkError{Resource: c.ID, Label: m.Label, Ref: ref}
			}
		}
		if m.Ref != 0 {
			w.refs[i] = m.Ref
			w.update(m.Ref, metricdef.Update{Label: &m.Label, Resource: &c.ID})
			continue
		}
		if m.Draft == nil {
			return errors.New("measures: metric of a resource without ref and draft")
		}
		d := &w.drafts[i]
		*d = *m.Draft
		d.Tenant, d.Label, d.Resource = c.Tenant, m.Label, c.ID
		if err := s.checkDefinition(d); err != nil {
			return err
		}
		if err := s.checkID(d, ids); err != nil {
			return err
		}
		ids[d.Name] = ids[d.Name] || d.ByID
	}
	if c.Replace {
		for _, ref := range s.Definitions.Linked(c.Tenant, c.ID) {
			if !named[ref] {
				w.update(ref, metricdef.Update{Resource: new(uuid.UUID)})
			}
		}
	}
	return nil
}

func (w *resourceWork) update(ref metricdef.Ref, u metricdef.Update) {
	w.updates = append(w.updates, DefinitionUpdate{ref, u})
}

// sequence puts all of the change into the commit group, or nothing.
func (w *resourceWork) sequence() (err error) {
	s, q, num := w.s, &w.s.seq, w.c.Tenant
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	mark := len(q.undo)
	defer func() {
		if err != nil { // nobody else has sequenced anything meanwhile
			for i := len(q.undo) - 1; i >= mark; i-- {
				s.takeBack(q.undo[i])
			}
			q.undo = q.undo[:mark]
		}
	}()
	if len(w.rec) > 0 {
		if err := s.memoryFull(num, int64(2*len(w.rec))); err != nil {
			return err
		}
	}
	var updates, parts [][]byte
	for i := range w.updates {
		u := &w.updates[i]
		if sr := s.table.at(u.Ref); sr != nil && sr.state == dead {
			return &metricdef.UnknownError{Ref: u.Ref}
		}
		rec, err := s.Definitions.AppendUpdated(nil, u.Ref, &u.Update)
		if err != nil {
			return err
		}
		updates = append(updates, rec)
	}
	made := uint64(0)
	for i := range w.refs {
		if w.refs[i] != 0 {
			continue
		}
		d := &w.drafts[i]
		q.key = metricdef.AppendKey(q.key[:0], d.Name, d.Tags)
		if _, ok := s.Definitions.Resolve(num, d.Type, q.key); ok {
			return &metricdef.InvalidError{Field: "name", Value: d.Name, Err: fmt.Errorf("the tenant has a %s of that name and those tags already", d.Type)}
		}
		if w.refs[i], err = s.reserve(d, w.p.wrote); err != nil {
			return err
		}
		q.undo = append(q.undo, undo{ref: w.refs[i], what: undoDictionary})
		s.table.at(w.refs[i]).dictionary = uint32(q.segment)
		parts = append(parts, s.Definitions.AppendRecord(nil, w.refs[i]))
		made++
	}
	w.append(made, parts, updates)
	return nil
}

// append puts the records into the group. REQUIRES: s.seq.mu.
func (w *resourceWork) append(made uint64, fresh, updates [][]byte) {
	s, p := w.s, w.p
	if len(w.rec) == 0 && made == 0 && !slices.ContainsFunc(updates, func(rec []byte) bool { return len(rec) > 0 }) {
		return
	}
	w.segment = s.seq.segment
	s.nameTenant(p, w.c.Tenant)
	key := resource.Ref{Tenant: w.c.Tenant, ID: w.c.ID}
	if len(w.rec) == 0 {
		s.nameResource(p, key)
	} else {
		naming := together{s: s, p: p, kind: recNaming}
		s.nameType(&naming, w.typ)
		naming.end()
	}
	g := together{s: s, p: p, kind: recTogether}
	g.add(recResources, w.rec)
	if made > 0 {
		p.accounts = accountOf(map[tenant.Num]uint64{w.c.Tenant: made}, nil)
		g.add(recAccount, p.accounts)
	}
	for _, list := range [...]struct {
		kind journal.Kind
		from [][]byte
		to   *[]byte
	}{{recDefinitions, fresh, &p.fresh}, {recUpdate, updates, &p.updates}} {
		start := 0
		for _, rec := range list.from {
			if *list.to = append(*list.to, rec...); len(*list.to)-start >= definitionBytes {
				g.add(list.kind, (*list.to)[start:])
				start = len(*list.to)
			}
		}
		g.add(list.kind, (*list.to)[start:])
	}
	g.end()
	s.seq.resources[key] = true // what failed is named anew in any case
	if len(w.rec) > 0 {
		p.first = func() {
			if _, _, _, err := s.Resources.Apply(w.rec); err != nil {
				panic("measures: own record of a resource: " + err.Error())
			}
			s.Definitions.Relink(w.c.Tenant, w.c.ID)
		}
	}
	s.seq.waiting = append(s.seq.waiting, p)
}
