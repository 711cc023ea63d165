package edge

import (
	"net/http"
	"slices"
	"strings"
)

// Router is a handler that knows what it answers.
type Router interface{ Routes() []Route }

// OwnedRoute is a route and the name under which its handler was mounted.
type OwnedRoute struct {
	Dialect string
	Route
}

// Routes is the table of all routes, sorted by path. What is mounted and no Router answers GET and HEAD at its prefix, as
// the routes do that edge makes itself.
func (d *Dispatcher) Routes() []OwnedRoute {
	var all []OwnedRoute
	seen := map[Router]bool{} // a handler may be mounted at several prefixes
	for prefix, m := range d.mounts {
		router, ok := m.handler.(Router)
		if !ok {
			all = append(all, OwnedRoute{m.name, Route{Path: prefix, Methods: []string{http.MethodGet, http.MethodHead}, Open: true}})
			continue
		}
		if seen[router] {
			continue
		}
		seen[router] = true
		for _, r := range router.Routes() {
			all = append(all, OwnedRoute{m.name, r})
		}
	}
	slices.SortFunc(all, func(a, b OwnedRoute) int { return strings.Compare(a.Path, b.Path) })
	return all
}
