package gnocchi

import (
	"net/http"

	"granary/compat/gnocchi/pyjson"
	"granary/policy"
	"granary/tenant/identity"
)

func (d *Dialect) statusRoutes() []route {
	return []route{
		{method: "GET", path: "/capabilities", serve: (*call).showCapabilities, right: identity.Read, anyone: true},
		{method: "GET", path: "/status", serve: (*call).showStatus, right: identity.Read},
	}
}

// showCapabilities answers which methods archive policies can have.
func (c *call) showCapabilities() error {
	b := append([]byte(nil), `{"aggregation_methods": [`...)
	for _, m := range policy.GnocchiMethods() {
		b = pyjson.AppendString(pyjson.AppendItem(b), m.String())
	}
	return c.answer(http.StatusOK, append(b, "]}"...))
}

// showStatus answers how many measures wait to be processed. None does ever: a measure is in its aggregates when it is acknowledged. The
// one that processes is the service itself.
func (c *call) showStatus() error {
	if err := c.demand(getStatus, nil); err != nil {
		return err
	}
	details, err := c.flag("details")
	if err != nil {
		return err
	}
	waiting := ""
	if _, given := c.query["details"]; details || !given {
		waiting = `, "measures_to_process": {}`
	}
	return c.answer(http.StatusOK, []byte(`{"storage": {"summary": {"metrics": 0, "measures": 0}`+waiting+`}, "metricd": {"processors": ["granary"], "statistics": {}}}`))
}
