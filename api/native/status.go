package native

import "net/http"

func (a *API) statusRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/status", serve: a.status, early: true},
	}
}

// statusAnswer is the answer of GET /v2/status.
type statusAnswer struct {
	Ready    bool   `json:"ready"`
	Progress string `json:"progress,omitzero"` // how far the start is; not there when ready
	Tenant   string `json:"tenant"`
	Exists   bool   `json:"exists"` // whether there is such a tenant
}

func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	out := statusAnswer{Ready: true, Tenant: string(tenantOf(r))}
	if a.o.Ready != nil {
		out.Ready, out.Progress = a.o.Ready()
	}
	_, out.Exists = a.reading(r)
	return a.send(w, r, http.StatusOK, &out)
}
