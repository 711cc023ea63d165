package native

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// Keys finds API keys.
type Keys interface {
	Get(id string) (identity.KeyRecord, bool)
	All() []identity.KeyRecord
}

// KeyChanges makes, changes and ends API keys. measures.Store says more of each.
type KeyChanges interface {
	PutKey(ctx context.Context, r identity.KeyRecord, maker string) error
	ChangeKey(ctx context.Context, id string, change func(*identity.KeyRecord) error) (identity.KeyRecord, error)
	RevokeKey(ctx context.Context, id string, part func(*identity.KeyRecord) ([]tenant.ID, error)) error
}

func (a *API) keyRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/identity", right: enters, self: true, early: true, serve: a.readIdentity},
		{method: http.MethodGet, path: "/keys", right: manages, serve: a.listKeys},
		{method: http.MethodPost, path: "/keys", right: manages, audit: "key.create", serve: a.createKey},
		{method: http.MethodGet, path: "/keys/{key}", right: manages, serve: a.readKey},
		{method: http.MethodPatch, path: "/keys/{key}", right: manages, audit: "key.change", serve: a.updateKey},
		{method: http.MethodDelete, path: "/keys/{key}", right: manages, audit: "key.revoke", serve: a.deleteKey},
	}
}

// grantsAnswer is roles by tenant; "*" is all tenants.
func grantsAnswer(all identity.Roles, items []identity.Grant) map[string][]string {
	out := map[string][]string{}
	if all != 0 {
		out[identity.Everywhere] = all.Names()
	}
	for _, g := range items {
		if g.Roles != 0 {
			out[string(g.Tenant)] = g.Roles.Names()
		}
	}
	return out
}

// readIdentity says who asks.
func (a *API) readIdentity(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	who := edge.IdentityFrom(r.Context())
	out := struct {
		Subject    string              `json:"subject"`
		Source     string              `json:"source"`
		Credential string              `json:"credential,omitzero"`
		Operator   bool                `json:"operator"`
		Grants     map[string][]string `json:"grants"`
	}{who.Subject, string(who.Source), who.Credential, who.Operator(), grantsAnswer(who.Everywhere(), who.Grants())}
	if who.Source == identity.Anonymous {
		out.Source = "none"
	}
	return a.send(w, r, http.StatusOK, &out)
}

// keyBody is the body that makes a key, or changes what it names of one.
type keyBody struct {
	Name    *string  `json:"name"`
	Subject *string  `json:"subject"`
	Roles   []string `json:"roles"`
	Tenants []string `json:"tenants"`
	Expires *moment  `json:"expires"`
}

// never is the text for a key that does not expire.
const never = "never"

// expiry is when the key expires, zero for never.
func (b *keyBody) expiry(now time.Time) (time.Time, error) {
	if b.Expires.text == never {
		return time.Time{}, nil
	}
	ns, err := edge.ParseTime(b.Expires.text, now)
	if err != nil {
		return time.Time{}, edge.At("/expires", err)
	}
	at := time.Unix(0, ns).UTC()
	if !at.After(now) {
		return time.Time{}, edge.At("/expires", &syntaxError{text: "expected a time that is not past, or never"})
	}
	return at, nil
}

// grants are the roles and tenants that the body names; without tenants, those of the request.
func (b *keyBody) grants(here tenant.ID) (identity.Grants, error) {
	var roles identity.Roles
	for i, name := range b.Roles {
		role, err := identity.ParseRole(name)
		if err != nil {
			return identity.Grants{}, edge.At("/roles/"+strconv.Itoa(i), err)
		}
		roles |= role
	}
	if roles == 0 {
		return identity.Grants{}, &syntaxError{text: "the key has no roles", path: "/roles", has: true}
	}
	var ids []tenant.ID
	for i, name := range b.Tenants {
		id, err := tenant.Parse(name)
		if err != nil {
			return identity.Grants{}, edge.At("/tenants/"+strconv.Itoa(i), err)
		}
		ids = append(ids, id)
	}
	switch {
	case len(ids) == 0 && b.Tenants != nil:
		return identity.Grants{}, &syntaxError{text: "the key has no tenants", path: "/tenants", has: true}
	case len(ids) == 0 && roles != identity.Operator:
		ids = []tenant.ID{here}
	case len(ids) > 0 && roles.Has(identity.Operator) && !slices.Contains(ids, identity.Everywhere):
		return identity.Grants{}, &syntaxError{text: `operators are operators of the service: the tenants are "*"`, path: "/tenants", has: true}
	}
	return identity.GrantsOf(roles, slices.Compact(slices.Sorted(slices.Values(ids)))...), nil
}

// absent says of the tenants of the body, or of the one of the request, that they do not exist yet. A key for one that no write makes would
// open nothing until somebody makes it, and is more likely misspelt, so it is refused.
func (a *API) absent(b *keyBody, g identity.Grants) (notes []string, err error) {
	for _, item := range g.Items {
		if _, ok := a.o.Tenants.Lookup(item.Tenant); ok {
			continue
		}
		if !a.o.Tenants.MadeByWrites(item.Tenant) {
			path := "/tenants"
			if i := slices.Index(b.Tenants, string(item.Tenant)); i >= 0 {
				path += "/" + strconv.Itoa(i)
			}
			return nil, edge.At(path, &tenant.UnknownError{ID: item.Tenant})
		}
		notes = append(notes, fmt.Sprintf("there is no tenant %q yet; the first write to it makes it", string(item.Tenant)))
	}
	return notes, nil
}

// holder is who asks for keys: what they have, and where a trusted proxy lets them.
type holder struct {
	who   *identity.Identity
	scope identity.Scope
	here  tenant.ID
}

func (a *API) holder(r *http.Request) (holder, error) {
	who := edge.IdentityFrom(r.Context())
	return holder{who, who.Scope(), tenantOf(r)}, nil
}

// wide says whether all keys are theirs to see.
func (h *holder) wide() bool { return h.who.Operator() && h.scope.All() }

// sees says whether a key is there for them: it reaches the tenant of the request. One with roles in all tenants is for those who
// may give such roles.
func (h *holder) sees(k *identity.KeyRecord) bool {
	return h.wide() || k.Reaches(h.here) && h.mayGive(identity.Grants{All: k.Grants.All}) == nil
}

// owns says whether a key that they see is theirs as a whole: it reaches no tenant that they do not manage.
func (h *holder) owns(k *identity.KeyRecord) bool { return h.wide() || h.mayGive(k.Grants) == nil }

// theirs are the grants of a key in tenants that they manage; the others are nobody's business but of those who manage these.
func (h *holder) theirs(k *identity.KeyRecord) identity.Grants {
	if h.owns(k) {
		return k.Grants
	}
	g := identity.Grants{All: k.Grants.All}
	for _, item := range k.Grants.Items {
		if h.mayGive(identity.Grants{Items: []identity.Grant{item}}) == nil {
			g.Items = append(g.Items, item)
		}
	}
	return g
}

// mayGive is nil if the holder has what the grants give, and may give it.
func (h *holder) mayGive(g identity.Grants) error {
	if g.All.Has(identity.Operator) {
		if err := edge.Demand(h.who, h.here, identity.Operate); err != nil {
			return err
		}
	}
	if g.All != 0 && (!h.scope.All() || !h.who.Everywhere().May(identity.Manage)) {
		return &edge.ForbiddenError{Tenant: identity.Everywhere, Reason: "you do not manage all tenants"}
	}
	for _, item := range g.Items {
		if !h.scope.Contains(item.Tenant) {
			return &edge.ForbiddenError{Tenant: item.Tenant}
		}
		if err := edge.Demand(h.who, item.Tenant, identity.Manage); err != nil {
			return err
		}
	}
	return nil
}

// keyAnswer is a key as it is shown.
type keyAnswer struct {
	ID       string              `json:"id"`
	Key      string              `json:"key,omitzero"` // once
	Name     string              `json:"name,omitzero"`
	Subject  string              `json:"subject"`
	Grants   map[string][]string `json:"grants"`
	More     bool                `json:"elsewhere,omitzero"` // there are grants in tenants that are not the business of who asks
	State    string              `json:"state"`
	Created  jsonTime            `json:"created"`
	Creator  string              `json:"creator,omitzero"`
	Expires  jsonTime            `json:"expires,omitzero"`
	Revoked  jsonTime            `json:"revoked,omitzero"`
	LastUsed string              `json:"last_used,omitzero"` // the day
	Notes    []string            `json:"notes,omitempty"`
}

func (a *API) showKey(h *holder, k *identity.KeyRecord, f edge.TimeFormat) *keyAnswer {
	at := func(t time.Time) jsonTime {
		if t.IsZero() {
			return nil
		}
		return f.Append(nil, t.UnixNano())
	}
	g := h.theirs(k)
	out := &keyAnswer{ID: k.ID, Name: k.Name, Subject: k.Subject, Grants: grantsAnswer(g.All, g.Items), More: len(g.Items) < len(k.Grants.Items), State: "active",
		Created: at(k.Created), Creator: k.Creator, Expires: at(k.Expires), Revoked: at(k.Revoked)}
	switch {
	case !k.Revoked.IsZero():
		out.State = "revoked"
	case !k.Expires.IsZero() && !a.o.Now().Before(k.Expires):
		out.State = "expired"
	}
	if !k.Used.IsZero() {
		out.LastUsed = k.Used.Format(time.DateOnly)
	}
	return out
}

// listKeys lists the keys of the tenant by their ids, a page at a time; operators may ask for those of all tenants.
func (a *API) listKeys(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	limit, cursor, format, all := p.integer("limit", defaultLimit, 1, maxLimit), p.text("cursor", ""), p.format(), p.bool("all", false)
	if err := p.end(); err != nil {
		return err
	}
	h, err := a.holder(r)
	if err != nil {
		return err
	}
	if all && !h.wide() {
		return edge.Demand(h.who, h.here, identity.Operate)
	}
	if all {
		a.o.Audit.Wide(r, h.who, "key.list", identity.Everywhere)
	}
	keys := slices.DeleteFunc(a.o.Keys.All(), func(k identity.KeyRecord) bool {
		return k.ID <= cursor || !all && !k.Reaches(h.here) || !h.sees(&k)
	})
	slices.SortFunc(keys, func(x, y identity.KeyRecord) int { return strings.Compare(x.ID, y.ID) })
	var out struct {
		Keys []*keyAnswer `json:"keys"`
		Next string       `json:"next,omitzero"`
	}
	out.Keys = []*keyAnswer{}
	for i := range keys {
		if int64(i) == limit {
			out.Next = keys[i-1].ID
			w.Header()["Link"] = []string{nextLink(r, out.Next)}
			break
		}
		out.Keys = append(out.Keys, a.showKey(&h, &keys[i], format))
	}
	return a.send(w, r, http.StatusOK, &out)
}

// createKey makes a key and shows it, once.
func (a *API) createKey(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	format := p.format()
	if err := p.end(); err != nil {
		return err
	}
	var b keyBody
	if err := a.decode(r, &b); err != nil {
		return err
	}
	h, err := a.holder(r)
	if err != nil {
		return err
	}
	now := a.o.Now()
	k := identity.KeyRecord{Created: now.UTC(), Creator: h.who.Subject}
	if b.Subject == nil {
		return &syntaxError{text: "a key needs a subject: who makes requests with it", path: "/subject", has: true}
	}
	k.Subject = *b.Subject
	if b.Name != nil {
		k.Name = *b.Name
	}
	if k.Grants, err = b.grants(h.here); err != nil {
		return err
	}
	if b.Expires != nil {
		if k.Expires, err = b.expiry(now); err != nil {
			return err
		}
	}
	if err := h.mayGive(k.Grants); err != nil {
		return err
	}
	notes, err := a.absent(&b, k.Grants)
	if err != nil {
		return err
	}
	var text, maker string
	text, k.ID, k.Digest = identity.NewKey()
	if h.who.Source == identity.Key {
		maker = h.who.Credential
	}
	tellKey(r, &k)
	if err := a.o.KeyChanges.PutKey(r.Context(), k, maker); err != nil {
		return err
	}
	out := a.showKey(&h, &k, format)
	out.Key, out.Notes = text, notes
	w.Header()["Location"] = []string{Prefix + "/keys/" + k.ID}
	return a.send(w, r, http.StatusCreated, out)
}

func (a *API) readKey(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	format := p.format()
	if err := p.end(); err != nil {
		return err
	}
	h, err := a.holder(r)
	if err != nil {
		return err
	}
	k, ok := a.o.Keys.Get(variable(r, "key"))
	if !ok || !h.sees(&k) {
		return identity.UnknownKey()
	}
	return a.send(w, r, http.StatusOK, a.showKey(&h, &k, format))
}

// updateKey changes what the body names.
func (a *API) updateKey(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	format := p.format()
	if err := p.end(); err != nil {
		return err
	}
	h, err := a.holder(r)
	if err != nil {
		return err
	}
	var b keyBody
	if err := a.decode(r, &b); err != nil {
		return err
	}
	now := a.o.Now()
	var notes []string
	k, err := a.o.KeyChanges.ChangeKey(r.Context(), variable(r, "key"), func(k *identity.KeyRecord) (err error) {
		if !h.sees(k) {
			return identity.UnknownKey()
		}
		if !h.owns(k) {
			return &edge.ForbiddenError{Tenant: h.here, Reason: "the key has roles in tenants too that you do not manage; you can take yours out of it (DELETE)"}
		}
		if b.Name != nil {
			k.Name = *b.Name
		}
		if b.Subject != nil && *b.Subject != k.Subject {
			return edge.At("/subject", errSubject)
		}
		if b.Expires != nil {
			if k.Expires, err = b.expiry(now); err != nil {
				return err
			}
		}
		if b.Roles == nil && b.Tenants == nil {
			return nil
		}
		if b.Roles == nil || b.Tenants == nil {
			return errTogether
		}
		if k.Grants, err = b.grants(h.here); err != nil {
			return err
		}
		if err = h.mayGive(k.Grants); err == nil {
			notes, err = a.absent(&b, k.Grants)
		}
		return err
	})
	if err != nil {
		return err
	}
	tellKey(r, &k)
	out := a.showKey(&h, &k, format)
	out.Notes = notes
	return a.send(w, r, http.StatusOK, out)
}

// tellKey says in the audit log what a key gives to whom.
func tellKey(r *http.Request, k *identity.KeyRecord) {
	tell(r, "subject", k.Subject)
	tell(r, "grants", grantsAnswer(k.Grants.All, k.Grants.Items))
}

var (
	errSubject  = &syntaxError{text: "the subject of a key cannot change; make another key"}
	errTogether = &syntaxError{text: "roles and tenants are changed together"}
)

// deleteKey takes a key back; one that has been taken back is forgotten. Of a key that is not theirs as a whole people take back what
// is: it opens their tenants no more, and stays for the others.
func (a *API) deleteKey(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	h, err := a.holder(r)
	if err != nil {
		return err
	}
	err = a.o.KeyChanges.RevokeKey(r.Context(), variable(r, "key"), func(k *identity.KeyRecord) (part []tenant.ID, err error) {
		if !h.sees(k) {
			return nil, identity.UnknownKey()
		}
		if !h.owns(k) {
			for _, g := range h.theirs(k).Items {
				part = append(part, g.Tenant)
			}
		}
		tellKey(r, k)
		switch {
		case len(part) > 0:
			tell(r, "taken_out", part)
		case !k.Revoked.IsZero():
			tell(r, "forgotten", true)
		}
		return part, nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
