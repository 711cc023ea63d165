package gnocchi

import (
	"net/http"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/tenant/identity"
)

func (d *Dialect) rootRoutes() []route {
	return []route{
		{method: "GET", path: "", serve: (*call).showRoot, right: identity.Read, open: true},
	}
}

// roots are what the root of the API links to, in this order.
var roots = []string{"aggregates", "aggregation", "archive_policy", "archive_policy_rule", "batch", "capabilities", "influxdb", "metric", "resource", "resource_type", "search", "status"}

// showRoot answers what there is below Prefix.
func (c *call) showRoot() error {
	b := append([]byte(nil), `{"version": "1.0", "links": [`...)
	link := func(rel, path string) {
		b = append(pyjson.AppendName(append(pyjson.AppendItem(b), '{'), "rel"), pyjson.AppendString(nil, rel)...)
		b = append(pyjson.AppendString(pyjson.AppendName(b, "href"), c.url(path)), '}')
	}
	link("self", "")
	for _, name := range roots {
		link(name, "/"+name)
	}
	return c.answer(http.StatusOK, append(b, "]}"...))
}

// published is the date of the API's version.
const published = "2015-03-19"

// Versions answers which versions of the API there are. It is the answer of the service's own root too, for who asks for JSON there.
func (d *Dialect) Versions(w http.ResponseWriter, r *http.Request) {
	if err := acceptable(r, typeJSON); err != nil {
		d.fail(w, r, err)
		return
	}
	b := append([]byte(nil), `{"build": `...)
	b = pyjson.AppendString(b, d.o.Version)
	b = append(b, `, "versions": [{"status": "CURRENT", "links": [{"rel": "self", "href": `...)
	b = pyjson.AppendString(b, d.address(r)+Prefix+"/")
	b = append(b, `}], "id": "v1.0", "updated": "`+published+`"}]}`...)
	d.o.Compress.Answer(w, r, http.StatusOK, typeJSON, b)
}

// redirect sends a client that asks for Prefix itself to the root of the API.
func (d *Dialect) redirect(w http.ResponseWriter, r *http.Request) {
	w.Header()["Location"] = []string{d.address(r) + Prefix + "/"}
	d.o.Compress.Answer(w, r, http.StatusFound, typeJSON, appendJSONError(nil, http.StatusFound, nil))
}

// health answers load balancers.
func (d *Dialect) health(w http.ResponseWriter, r *http.Request) {
	status, reasons := http.StatusOK, "[]"
	if d.o.Ready != nil {
		if ok, progress := d.o.Ready(); !ok {
			status, reasons = http.StatusServiceUnavailable, string(pyjson.Append(nil, []string{progress}))
		}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header()["Allow"] = []string{http.MethodGet}
		d.fail(w, r, &methodError{edge.MethodError{Method: r.Method, Allow: http.MethodGet}})
		return
	}
	d.o.Compress.Answer(w, r, status, typeJSON, []byte(`{"detailed": false, "reasons": `+reasons+`}`))
}
