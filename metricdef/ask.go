package metricdef

import (
	"slices"

	"granary/metricdef/match"
)

// askEach returns the definitions for which the matcher holds. It lets writers in now and then.
func (s *search) askEach(m *match.Matcher, refs []Ref) ([]Ref, error) {
	out := make([]Ref, 0, len(refs))
	var asked uint32 // the pair that was matched last
	var answer bool
	for step := range slices.Chunk(refs, slowStep) {
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		s.r.mu.RLock()
		name := s.r.symbols.find(m.Name())
		asked = 0
		for _, ref := range step {
			d := s.r.seen(ref)
			if d == nil {
				continue // removed meanwhile
			}
			x := s.r.tenants[s.tenant]
			pair := s.r.pairOf(x, d, name)
			if pair == 0 || pair != asked {
				answer, asked = m.Match(s.r.symbols.text(x.pairs[pair].value)), pair
			}
			if answer {
				out = append(out, ref)
			}
		}
		s.r.mu.RUnlock()
	}
	return out, nil
}

// pairOf is the pair that a definition has of a tag name, one of its own before a derived one, 0 if none.
//
// REQUIRES: r.mu.
func (r *Registry) pairOf(x *index, d *packed, name uint32) uint32 {
	if name == r.nameTag {
		return d.name
	}
	for _, id := range r.words.at(d.tags, d.run())[2:] {
		if x.pairs[id].name == name {
			return id
		}
	}
	label, _, n, _ := r.linkOf(d)
	switch {
	case name == r.labelTag:
		return label
	case n != 0:
		for _, id := range x.links.list[n].pairs {
			if x.pairs[id].name == name {
				return id
			}
		}
	}
	return 0
}
