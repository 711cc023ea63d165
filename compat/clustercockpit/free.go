package clustercockpit

import (
	"net/http"
	"slices"
	"strconv"

	"granary/api/edge"
	"granary/metricdef"
	"granary/tenant/audit"
	"granary/tenant/queue"
)

// free serves /api/free: it removes the windows of 512 slots that end before the parameter "to", of all series at and
// below each selector of the body. A selector that does not exist frees nothing and creates nothing.
func (d *Dialect) free(w http.ResponseWriter, r *http.Request) {
	raw := r.URL.Query().Get("to")
	if raw == "" {
		d.refuse(w, r, http.StatusBadRequest, "'to' is a required query parameter")
		return
	}
	to, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		// 500 is what the original answers.
		d.refuse(w, r, http.StatusInternalServerError, err.Error())
		return
	}
	body, err := d.o.Requests.Read(r)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	defer body.Free()
	var selectors [][]string
	if err := decodeFirst(body.Bytes, &selectors); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	cluster := ""
	if len(selectors) > 0 && len(selectors[0]) > 0 {
		cluster = selectors[0][0]
	}
	// It looks at as much as a query does, and waits for its place like one.
	var ticket queue.Ticket
	if !d.enter(w, r, &ticket, cluster) {
		return
	}
	defer ticket.Leave()
	var refs []metricdef.Ref
	for _, selector := range selectors {
		for _, n := range d.levelsOf(r, selector) {
			refs = gatherAll(refs, n)
		}
	}
	slices.Sort(refs)
	refs = slices.Compact(refs)
	freed := 0
	if len(refs) > 0 {
		freed, err = d.o.Store.Free(r.Context(), refs, nanoseconds(to))
		v := viewOf(r.Context())
		d.o.Audit.Record(r, v.who, audit.Entry{Action: "measures.delete", Tenants: v.list(), Outcome: edge.Outcome(err), Detail: map[string]any{"windows": freed, "to": to}})
		if err != nil {
			d.fail(w, r, err)
			return
		}
	}
	text := append([]byte("buffers freed: "), strconv.Itoa(freed)...)
	edge.CompressOff.Answer(w, r, http.StatusOK, "text/plain; charset=utf-8", append(text, '\n'))
}

// levelsOf are the levels that a selector names: one, or none if it does not exist; all clusters of the scope for the
// empty selector.
func (d *Dialect) levelsOf(r *http.Request, selector []string) (nodes []Node) {
	if len(selector) == 0 {
		d.clusters(r.Context(), func(_ string, n Node) bool {
			nodes = append(nodes, n)
			return true
		})
		return nodes
	}
	n := d.cluster(r.Context(), selector[0])
	for _, name := range selector[1:] {
		if n == nil {
			return nil
		}
		n = n.Child(name)
	}
	if n == nil {
		return nil
	}
	return []Node{n}
}
