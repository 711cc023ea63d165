package clustercockpit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"granary/api/edge"
	"granary/metricdef"
	"granary/tenant/queue"
)

// staleAfter is how many steps after its last slot ended a series is stale.
const staleAfter = 5

// healthRequest is the body of /api/healthcheck.
type healthRequest struct {
	Cluster string   `json:"cluster"`
	Nodes   []string `json:"nodes"`
	Metrics []string `json:"metric-names"`
}

// healthcheck serves /api/healthcheck: for each node, which of the metrics have gone stale and which are not there.
func (d *Dialect) healthcheck(w http.ResponseWriter, r *http.Request) {
	body, err := d.o.Requests.Read(r)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	defer body.Free()
	req, err := healthQuery(r, body.Bytes)
	if err != nil {
		d.refuse(w, r, http.StatusBadRequest, err.Error())
		return
	}
	var ticket queue.Ticket
	if !d.enter(w, r, &ticket, req.Cluster) {
		return
	}
	defer ticket.Leave()
	turn := ticket.Turn()
	if err := turn.Begin(r.Context()); err != nil {
		d.fail(w, r, err)
		return
	}
	defer turn.End()
	slices.Sort(req.Nodes)
	cluster := d.cluster(r.Context(), req.Cluster)
	now := d.o.Now().Unix()
	buf := edge.NewBuffer()
	defer buf.Free()
	b := buf.B
	b = append(b, '{')
	for i, node := range slices.Compact(req.Nodes) {
		if i > 0 {
			b = append(b, ',')
		}
		b = edge.AppendString(b, node)
		state, metrics := "failed", ""
		var host Node
		if cluster != nil {
			host = cluster.Child(node)
		}
		if host != nil && d.hasData(host) {
			state, metrics = d.health(host, req.Metrics, now)
		}
		b = append(b, `:{"State":"`...)
		b = append(b, state...)
		b = append(b, `","HealthMetrics":`...)
		b = edge.AppendString(b, metrics)
		b = append(b, '}')
		turn.Spent(workOfLevel * int64(1+len(req.Metrics)))
	}
	turn.End()
	b = append(b, '}', '\n')
	buf.B = b
	ticket.Leave()
	d.o.Compress.Answer(w, r, http.StatusOK, "application/json", buf.B)
}

// healthQuery reads the body, or, if it is empty, the parameters cluster and node of the published documentation.
func healthQuery(r *http.Request, body []byte) (req healthRequest, err error) {
	if len(bytes.TrimSpace(body)) == 0 && r.URL.RawQuery != "" {
		if v := r.URL.Query(); v.Has("cluster") && v.Has("node") {
			return healthRequest{Cluster: v.Get("cluster"), Nodes: v["node"], Metrics: v["metric"]}, nil
		}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		return req, fmt.Errorf("parsing request body failed: %s", peerText(err))
	}
	return req, nil
}

// health is the state of a host and the JSON text of its lists. A metric is degraded if any of its series at and below
// the host is stale, missing if there is none or it is not configured.
func (d *Dialect) health(host Node, metrics []string, now int64) (state, lists string) {
	const (
		present = 1 << iota
		stale
	)
	seen := make(map[string]uint8)
	var walk func(n Node)
	walk = func(n Node) {
		n.AllSeries(func(metric string, ref metricdef.Ref) bool {
			newest, step, ok := d.o.Store.Newest(ref)
			if !ok {
				return true
			}
			seen[metric] |= present
			// A slot reaches half a step around its time.
			s := step / second
			if end := floorDiv(newest, second) - s/2 + s; now-end > staleAfter*s {
				seen[metric] |= stale
			}
			return true
		})
		n.Children(func(_ string, child Node) bool {
			walk(child)
			return true
		})
	}
	walk(host)
	degraded, missing, healthy := []string{}, []string{}, 0
	set := d.o.Policies.Current()
	for _, m := range metrics {
		_, known := set.Resolve(Name, m)
		switch s := seen[m]; {
		case s == 0 || !known:
			missing = append(missing, m)
		case s&stale != 0:
			degraded = append(degraded, m)
		default:
			healthy++
		}
	}
	switch {
	case len(degraded)+len(missing) == 0:
		state = "full"
	case healthy == 0:
		state = "failed"
	default:
		state = "partial"
	}
	b := append([]byte(nil), `{"degraded":`...)
	b = edge.AppendStrings(b, degraded)
	b = append(b, `,"missing":`...)
	b = edge.AppendStrings(b, missing)
	return state, string(append(b, '}'))
}
