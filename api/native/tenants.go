package native

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"granary/api/edge"
	"granary/tenant"
)

// TenantChanges makes, changes and ends tenants. measures.Store says more of each.
type TenantChanges interface {
	CreateTenant(ctx context.Context, d tenant.Draft) (num tenant.Num, existed bool, err error)
	UpdateTenant(ctx context.Context, num tenant.Num, set tenant.Settings) error
	DeleteTenant(ctx context.Context, num tenant.Num) error
}

func (a *API) tenantRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/tenants", right: operates, audit: "tenant.list", serve: a.listTenants},
		{method: http.MethodPost, path: "/tenants", right: operates, audit: "tenant.create", serve: a.createTenant},
		{method: http.MethodGet, path: "/tenants/{tenant}", right: enters, serve: a.readTenant},
		{method: http.MethodPatch, path: "/tenants/{tenant}", right: operates, audit: "tenant.change", serve: a.updateTenant},
		{method: http.MethodDelete, path: "/tenants/{tenant}", right: operates, audit: "tenant.delete", serve: a.deleteTenant},
	}
}

// tenantBody is the body that makes a tenant, or changes what it names of one. A retention or limit of 0 takes away what
// was set.
type tenantBody struct {
	ID          *string `json:"id"`
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Retention   struct {
		Gauge        *duration `json:"gauge"`
		Counter      *duration `json:"counter"`
		Availability *duration `json:"availability"`
		String       *duration `json:"string"`
	} `json:"retention"`
	Limits limitsBody `json:"limits"`
}

// onto puts what the body names in the place of what s has.
func (b *tenantBody) onto(s *tenant.Settings, base *tenant.Limits) error {
	if b.Name != nil {
		s.Name = *b.Name
	}
	if b.Description != nil {
		s.Description = *b.Description
	}
	for _, r := range []struct {
		from *duration
		to   *time.Duration
	}{
		{b.Retention.Gauge, &s.Retention.Gauge}, {b.Retention.Counter, &s.Retention.Counter},
		{b.Retention.Availability, &s.Retention.Availability}, {b.Retention.String, &s.Retention.Text},
	} {
		if r.from != nil {
			*r.to = time.Duration(*r.from)
		}
	}
	if err := b.Limits.onto(&s.Limits, base); err != nil {
		return settingsAt(err)
	}
	return settingsAt(s.Validate())
}

// tenantAnswer is a tenant as it is shown.
type tenantAnswer struct {
	ID          string          `json:"id"`
	Name        string          `json:"name,omitzero"`
	Description string          `json:"description,omitzero"`
	Created     jsonTime        `json:"created"`
	Implicit    bool            `json:"implicit"` // made by a write
	Series      int             `json:"series"`
	Retention   tenantRetention `json:"retention"`
	Limits      map[string]any  `json:"limits"` // those that were set for it
	Held        held            `json:"held"`
}

// tenantRetention is by type how long samples live of metrics whose policy nobody chose; what is not there is left to the
// policy.
type tenantRetention struct {
	Gauge        string `json:"gauge,omitzero"`
	Counter      string `json:"counter,omitzero"`
	Availability string `json:"availability,omitzero"`
	String       string `json:"string,omitzero"`
}

// jsonTime is a time that is written already.
type jsonTime []byte

// MarshalJSON implements json.Marshaler.
func (t jsonTime) MarshalJSON() ([]byte, error) { return t, nil }

func (a *API) show(t *tenant.Tenant, f edge.TimeFormat) *tenantAnswer {
	text := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return durationText(d)
	}
	r := &t.Retention
	return &tenantAnswer{
		ID: string(t.ID), Name: t.Name, Description: t.Description, Created: f.Append(nil, t.Created.UnixNano()), Implicit: t.Implicit,
		Series:    a.o.Definitions.Count(t.Num),
		Retention: tenantRetention{text(r.Gauge), text(r.Counter), text(r.Availability), text(r.Text)},
		Limits:    ownLimits(&t.Limits),
		Held:      heldOf(a.o.Store.Held(t.Num)),
	}
}

// listTenants lists the tenants by their ids, a page at a time.
func (a *API) listTenants(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	limit, cursor, prefix, format := p.integer("limit", defaultLimit, 1, maxLimit), p.text("cursor", ""), p.text("prefix", ""), p.format()
	if err := p.end(); err != nil {
		return err
	}
	all := a.o.Tenants.All()
	all = slices.DeleteFunc(all, func(t tenant.Tenant) bool { return string(t.ID) <= cursor || !strings.HasPrefix(string(t.ID), prefix) })
	slices.SortFunc(all, func(x, y tenant.Tenant) int { return strings.Compare(string(x.ID), string(y.ID)) })
	var out struct {
		Tenants []*tenantAnswer `json:"tenants"`
		Next    string          `json:"next,omitzero"` // the cursor of the next page
	}
	out.Tenants = []*tenantAnswer{}
	for i := range all {
		if int64(i) == limit {
			out.Next = string(all[i-1].ID)
			w.Header()["Link"] = []string{nextLink(r, out.Next)}
			break
		}
		out.Tenants = append(out.Tenants, a.show(&all[i], format))
	}
	return a.send(w, r, http.StatusOK, &out)
}

// createTenant makes a tenant. One that a write has made takes the settings and counts as made by a call; one that was made
// by a call is a conflict.
func (a *API) createTenant(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	format := p.format()
	if err := p.end(); err != nil {
		return err
	}
	var b tenantBody
	if err := a.decode(r, &b); err != nil {
		return err
	}
	if b.ID == nil {
		return &syntaxError{text: "a tenant needs an id", path: "/id", has: true}
	}
	id, err := tenant.Parse(*b.ID)
	if err != nil {
		return edge.At("/id", err)
	}
	d := tenant.Draft{ID: id}
	if err := b.onto(&d.Settings, &a.o.ServiceLimits); err != nil {
		return err
	}
	tellSettings(r, &tenant.Settings{}, &d.Settings)
	before, _ := a.o.Tenants.Lookup(id)
	num, existed, err := a.o.TenantChanges.CreateTenant(r.Context(), d)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if existed {
		if before.Num == num && !before.Implicit {
			return &tenantExistsError{id}
		}
		status = http.StatusOK
		if err := a.o.TenantChanges.UpdateTenant(r.Context(), num, d.Settings); err != nil {
			return err
		}
	}
	t, ok := a.o.Tenants.Lookup(id)
	if !ok {
		return &tenant.UnknownError{ID: id} // deleted at this moment
	}
	w.Header()["Location"] = []string{Prefix + "/tenants/" + url.PathEscape(string(id))}
	return a.send(w, r, status, a.show(&t, format))
}

// settingsAt names the member that a setting at fault came from.
func settingsAt(err error) error {
	var s *tenant.SettingsError
	if !errors.As(err, &s) {
		return err
	}
	return edge.At("/"+strings.NewReplacer(".", "/", "-", "_").Replace(s.Field), err)
}

// tenantExistsError says that a tenant is there already.
type tenantExistsError struct{ id tenant.ID }

func (e *tenantExistsError) Error() string {
	return "there is a tenant " + shorten(string(e.id)) + " already"
}
func (*tenantExistsError) Kind() string { return string(edge.Conflict) }
func (*tenantExistsError) Code() string { return "tenant-exists" }

// Problem names the tenant, for it is another than that of the header.
func (e *tenantExistsError) Problem() map[string]any { return map[string]any{"tenant": string(e.id)} }

// tenantIn is the tenant of the path, if it exists.
func (a *API) tenantIn(r *http.Request) (tenant.Tenant, error) {
	id, err := tenant.Parse(variable(r, "tenant"))
	if err != nil {
		return tenant.Tenant{}, err
	}
	t, ok := a.o.Tenants.Lookup(id)
	if !ok {
		return tenant.Tenant{}, &tenant.UnknownError{ID: id}
	}
	return t, nil
}

// readTenant shows a tenant to operators, and to itself. To others it does not exist.
func (a *API) readTenant(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	format := p.format()
	if err := p.end(); err != nil {
		return err
	}
	t, err := a.tenantIn(r)
	if err != nil {
		return err
	}
	if !edge.IdentityFrom(r.Context()).Operator() && t.ID != tenantOf(r) {
		return &tenant.UnknownError{ID: t.ID}
	}
	return a.send(w, r, http.StatusOK, a.show(&t, format))
}

// updateTenant changes what the body names.
func (a *API) updateTenant(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	format := p.format()
	if err := p.end(); err != nil {
		return err
	}
	t, err := a.tenantIn(r)
	if err != nil {
		return err
	}
	var b tenantBody
	if err := a.decode(r, &b); err != nil {
		return err
	}
	if b.ID != nil && *b.ID != string(t.ID) {
		return &syntaxError{text: "the id of a tenant cannot change", path: "/id", has: true}
	}
	before := t.Settings
	if err := b.onto(&t.Settings, &a.o.ServiceLimits); err != nil {
		return err
	}
	tellSettings(r, &before, &t.Settings)
	if err := a.o.TenantChanges.UpdateTenant(r.Context(), t.Num, t.Settings); err != nil {
		return err
	}
	if t, err = a.tenantIn(r); err != nil {
		return err
	}
	return a.send(w, r, http.StatusOK, a.show(&t, format))
}

// tellSettings says in the audit log what becomes of a tenant's settings: each that changes, with what was and what is. null is what was
// not set.
func tellSettings(r *http.Request, before, after *tenant.Settings) {
	set := func(name string, was, is any) {
		if was != is {
			tell(r, name, map[string]any{"old": was, "new": is})
		}
	}
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	set("name", text(before.Name), text(after.Name))
	set("description", text(before.Description), text(after.Description))
	before.Retention.Changes(&after.Retention, set)
	old, now := ownLimits(&before.Limits), ownLimits(&after.Limits)
	for i := range tenant.LimitFields {
		name := limitMember(&tenant.LimitFields[i])
		set("limits."+name, old[name], now[name])
	}
}

// deleteTenant ends a tenant with all that it has. It is hidden at once; its data goes in the background. Where there is none
// there is nothing to do, so it may be asked again.
func (a *API) deleteTenant(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	t, err := a.tenantIn(r)
	if edge.KindOf(err) == edge.NotFound && err != nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	if err := a.o.TenantChanges.DeleteTenant(r.Context(), t.Num); err != nil {
		return err
	}
	return a.send(w, r, http.StatusAccepted, &struct {
		ID    string `json:"id"`
		State string `json:"state"`
	}{string(t.ID), tenant.Deleting.String()})
}
