package edge

import (
	"errors"
	"net/http"
	"strings"

	"granary/tenant/audit"
	"granary/tenant/identity"
)

// Audit tells the audit log about requests. A nil one tells nothing.
type Audit struct {
	Log     *audit.Log
	Proxies Proxies // behind which the address of a client is found
}

// Record writes an entry about a request of somebody. Who and from where are filled in.
func (a *Audit) Record(r *http.Request, who *identity.Identity, e audit.Entry) {
	if a != nil {
		a.Log.Record(a.by(r, who, e))
	}
}

// Often is Record for what may come again and again.
func (a *Audit) Often(r *http.Request, who *identity.Identity, e audit.Entry) {
	if a != nil {
		e = a.by(r, who, e)
		a.Log.Often(strings.Join([]string{e.Action, e.Outcome, e.Subject, e.Remote}, "\x00"), e)
	}
}

func (a *Audit) by(r *http.Request, who *identity.Identity, e audit.Entry) audit.Entry {
	e.Remote = a.remote(r)
	if e.Target == "" {
		e.Target = r.URL.Path // without parameters, which may hold what is secret
	}
	if who != nil {
		e.Subject, e.Source, e.Credential = who.Subject, string(who.Source), who.Credential
		if who.Source == identity.Anonymous {
			e.Source = "open"
		}
	}
	return e
}

func (a *Audit) remote(r *http.Request) string {
	if ip := a.Proxies.Client(r); ip.IsValid() {
		return ip.String()
	}
	return r.RemoteAddr
}

// Wide writes that a request covers more than one tenant: a list of them with commas, "*" for all.
func (a *Audit) Wide(r *http.Request, who *identity.Identity, action, tenants string) {
	a.Record(r, who, audit.Entry{Action: action, Tenants: tenants, Outcome: audit.OK})
}

// failed writes that a credential was refused. Neither the credential nor the name that came with it is told: some write a
// password where the name belongs.
func (a *Audit) failed(r *http.Request, c identity.Credential, err error) {
	a.Often(r, nil, audit.Entry{Action: "identity.failed", Outcome: CodeOf(err), Detail: map[string]any{"shown": c.String()}})
}

// Outcome is how the audit log calls the end of an operation.
func Outcome(err error) string {
	if err == nil {
		return audit.OK
	}
	if code := CodeOf(err); code != "" {
		return code
	}
	return "error"
}

// Changed says whether an operation that ended with this error may have changed something. What was refused for its form, for
// a limit, or because there is no such thing has not.
func Changed(err error) bool {
	if err == nil {
		return true
	}
	kind := KindOf(err)
	return kind == Internal || kind == Unavailable && !errors.Is(err, http.ErrAbortHandler)
}
