package resource

import "maps"

// with is the resource as it would be after the update, and whether that is another. Its attributes may be those of d.
func (d *Draft) with(u *Update) (n Draft, changed bool) {
	n = *d
	for _, f := range [...]struct {
		to   **string
		from **string
	}{{&n.User, u.User}, {&n.Project, u.Project}} {
		if f.from != nil && !sameText(*f.to, *f.from) {
			*f.to, changed = *f.from, true
		}
	}
	if u.Started != nil && *u.Started != n.Started {
		n.Started, changed = *u.Started, true
	}
	if u.Ended != nil && *u.Ended != n.Ended {
		n.Ended, changed = *u.Ended, true
	}
	own := false
	for name, v := range u.Attributes {
		old, had := n.Attributes[name]
		if v == nil && !had || v != nil && had && old == *v {
			continue
		}
		if changed = true; !own {
			if n.Attributes, own = maps.Clone(n.Attributes), true; n.Attributes == nil {
				n.Attributes = make(map[string]Value)
			}
		}
		if v == nil {
			delete(n.Attributes, name)
		} else {
			n.Attributes[name] = *v
		}
	}
	return n, changed
}

func sameText(a, b *string) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
