package clustercockpit

import "granary/metricdef"

// gather appends the series that stand for a metric at a level: its own, else those of its nearest descendants that have
// one, depth first, so that what a level says of itself hides what its parts say. Levels of different kinds (sockets
// beside hardware threads) are all taken. with says which series count. Node.AppendNearest is the same for all series.
func gather(refs []metricdef.Ref, n Node, metric string, with func(metricdef.Ref) bool) []metricdef.Ref {
	if n == nil {
		return refs
	}
	if ref, ok := n.Series(metric); ok && with(ref) {
		return append(refs, ref)
	}
	return gatherBelow(refs, n, metric, with)
}

// gatherBelow is a function of its own so that refs needs memory only where there are children to ask.
func gatherBelow(refs []metricdef.Ref, n Node, metric string, with func(metricdef.Ref) bool) []metricdef.Ref {
	n.Children(func(_ string, child Node) bool {
		refs = gather(refs, child, metric, with)
		return true
	})
	return refs
}

// gatherAll appends all series at and below a level.
func gatherAll(refs []metricdef.Ref, n Node) []metricdef.Ref {
	n.AllSeries(func(_ string, ref metricdef.Ref) bool {
		refs = append(refs, ref)
		return true
	})
	n.Children(func(_ string, child Node) bool {
		refs = gatherAll(refs, child)
		return true
	})
	return refs
}

// hasData says whether a series at or below a level has a sample.
func (d *Dialect) hasData(n Node) bool {
	found := false
	n.AllSeries(func(_ string, ref metricdef.Ref) bool {
		found = d.lives(ref)
		return !found
	})
	if !found {
		n.Children(func(_ string, child Node) bool {
			found = d.hasData(child)
			return !found
		})
	}
	return found
}

func (d *Dialect) lives(ref metricdef.Ref) bool {
	_, _, ok := d.o.Store.Newest(ref)
	return ok
}

// levels calls visit for the levels that one entry of a row is made of, in the order of the request: without a type the
// host, with aggreg one group of all ids, else each id by itself. nil stands for a level that does not exist.
func (q *query) levels(host Node, scratch []Node, visit func(group []Node) error) error {
	switch {
	case q.Type == nil:
		return visit(append(scratch[:0], host))
	case !q.Aggregate:
		for _, id := range q.TypeIDs {
			level := child(host, *q.Type, id)
			if q.SubType == nil {
				if err := visit(append(scratch[:0], level)); err != nil {
					return err
				}
				continue
			}
			for _, sub := range q.SubTypeIDs {
				if err := visit(append(scratch[:0], child(level, *q.SubType, sub))); err != nil {
					return err
				}
			}
		}
		return nil
	case len(q.TypeIDs) == 0:
		return nil
	}
	group := scratch[:0]
	for _, id := range q.TypeIDs {
		level := child(host, *q.Type, id)
		if level == nil {
			continue
		}
		if q.SubType == nil {
			group = append(group, level)
			continue
		}
		for _, sub := range q.SubTypeIDs {
			if level := child(level, *q.SubType, sub); level != nil {
				group = append(group, level)
			}
		}
	}
	return visit(group)
}

// child is the level named by type and id glued together; nil if n is.
func child(n Node, typ, id string) Node {
	if n == nil || typ == "" && id == "" {
		return nil
	}
	return n.Child(typ + id)
}
