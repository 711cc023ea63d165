package clustercockpit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// view is what a request may touch, by who makes it and what its endpoint asks for.
type view struct {
	d     *Dialect
	who   *identity.Identity
	right identity.Right
	scope identity.Scope // the tenants that may be touched at all
	// other is the tenant of the clusters that the mapping does not name. "": the request could mean several, and unchosen
	// refuses what needs to know.
	other    tenant.ID
	unchosen error
}

type viewKey struct{}

func viewOf(ctx context.Context) *view {
	v, _ := ctx.Value(viewKey{}).(*view)
	return v
}

// look finds out what a request may touch. Clusters that the mapping does not name lie in the default tenant for the
// holders of ClusterCockpit's tokens, who know no tenants; for others in the one that their request chooses.
func (d *Dialect) look(r *http.Request, who *identity.Identity, right identity.Right) (*view, error) {
	if !edge.Anywhere(who, right) {
		return nil, &edge.RightError{Right: right}
	}
	v := &view{d: d, who: who, right: right, other: d.o.Default, scope: who.Scope()}
	if who.Source == identity.ClusterCockpit {
		return v, nil
	}
	var err error
	switch v.other, err = d.o.Select.Select(r, v.scope); {
	case err == nil:
	case edge.NotChosen(err) && len(d.tenants) > 0:
		v.other, v.unchosen = "", err
	default:
		return nil, err
	}
	return v, nil
}

// tenantOf is the tenant of a cluster, if the request may touch it.
func (v *view) tenantOf(cluster string) (tenant.ID, error) {
	id, mapped := v.d.o.Clusters[cluster]
	if !mapped {
		if id = v.other; v.unchosen != nil {
			return "", v.unchosen
		}
	}
	err := v.may(id)
	var foreign *foreignError
	if errors.As(err, &foreign) {
		return "", &foreignError{cluster}
	}
	return id, err
}

// foreignError refuses a cluster that the mapping gives to a tenant which the request may not touch. It does not say to which:
// the request has named the cluster, and nobody has told it who has it.
type foreignError struct{ cluster string }

func (e *foreignError) Error() string {
	if e.cluster == "" {
		return "a cluster belongs to a tenant that is not yours"
	}
	return fmt.Sprintf("cluster %.80q belongs to a tenant that is not yours", e.cluster)
}

// Kind implements the kinds of errors.
func (*foreignError) Kind() string { return string(edge.Forbidden) }

// Code implements the codes of errors.
func (*foreignError) Code() string { return "tenant-forbidden" }

// may refuses a tenant that the request may not touch.
func (v *view) may(id tenant.ID) error {
	if !v.scope.Contains(id) {
		return &foreignError{}
	}
	return edge.Demand(v.who, id, v.right)
}

// cluster is the level of a cluster; nil if there is none that the request reaches.
func (d *Dialect) cluster(ctx context.Context, name string) Node {
	id, err := viewOf(ctx).tenantOf(name)
	if err != nil {
		return nil
	}
	root := d.root(id)
	if root == nil {
		return nil
	}
	return root.Child(name)
}

// clusters calls yield for the clusters that the request reaches, sorted by tenant and name.
func (d *Dialect) clusters(ctx context.Context, yield func(name string, n Node) bool) {
	v := viewOf(ctx)
	for _, id := range v.tenants() {
		root := d.root(id)
		if root == nil {
			continue
		}
		more := true
		root.Children(func(name string, n Node) bool {
			// A cluster tag may stand in a tenant that the mapping does not give it, written through another dialect.
			if in, err := v.tenantOf(name); err == nil && in == id {
				more = yield(name, n)
			}
			return more
		})
		if !more {
			return
		}
	}
}

// tenants are those that clusters can lie in and the request may touch, sorted.
func (v *view) tenants() []tenant.ID {
	ids := slices.Clone(v.d.tenants)
	if v.unchosen == nil {
		ids = append(ids, v.other)
	}
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id tenant.ID) bool { return v.may(id) != nil })
}

// list is the tenants for the audit log.
func (v *view) list() string {
	var names []string
	for _, id := range v.tenants() {
		names = append(names, string(id))
	}
	return strings.Join(names, ",")
}
