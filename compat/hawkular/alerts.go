package hawkular

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"granary/api/edge"
	"granary/compat/hawkular/alerts"
	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
	"granary/tenant/identity"
)

func (d *Dialect) alertRoutes() []route {
	return []route{
		{method: http.MethodGet, path: PrefixAlerts + "/status", serve: d.alertStatus, self: true},
		{method: http.MethodGet, path: PrefixAlerts + "/raw", serve: d.listAlerts, right: identity.Read},
	}
}

// alertStatus says whether alerts are watched, and when that was done last, and where changes are sent. Numbers are texts, as Mohawk has them.
func (d *Dialect) alertStatus(c *call) error {
	w := d.o.Alerts
	if w == nil {
		return c.json([]byte(`{"AlertsService":"UNAVAILABLE"}` + "\n"))
	}
	b := append([]byte(nil), `{"AlertsService":"STARTED","AlertsInterval":`...)
	b = append(strconv.AppendFloat(append(b, '"'), w.Interval().Seconds(), 'f', -1, 64), `s","Heartbeat":"`...)
	b = strconv.AppendInt(b, w.Heartbeat(), 10)
	server := w.Server()
	if u, err := url.Parse(server); err == nil && !c.everywhere() { // what follows the host may be all that a stranger needs to send there
		server = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	}
	b = append(b, `","ServerURL":`...)
	b = edge.AppendString(b, server)
	return c.json(append(b, '}', '\n'))
}

// listAlerts lists the alerts of the tenant: those of an id, and with state those that fire (T) or do not (anything else).
func (d *Dialect) listAlerts(c *call) error {
	var list []alerts.Alert
	if d.o.Alerts != nil {
		list = d.o.Alerts.Alerts(c.tenant)
	}
	id, state := c.query.Get("id"), c.query.Get("state")
	buf := edge.NewBuffer()
	defer buf.Free()
	b := append(buf.B, '[')
	shown := 0
	for i := range list {
		a := &list[i]
		if id != "" && a.ID != id || state != "" && (state == "T") != (a.Status() == alerts.Firing) {
			continue
		}
		if shown++; shown > 1 {
			b = append(b, ',')
		}
		b = a.Append(b)
	}
	buf.B = append(b, ']', '\n')
	if shown == 0 {
		return c.empty()
	}
	return c.json(buf.B)
}

// Samples reads samples; measures.Store does.
type Samples interface {
	Newest(ref metricdef.Ref) (t, step int64, ok bool)
	Read(ctx context.Context, r *measures.Reader, ref metricdef.Ref, from, to int64) error
}

// alertMetrics are the metrics that alerts look at, as the dialect finds and names them.
type alertMetrics struct {
	definitions Definitions
	tenants     Tenants
	samples     Samples
	filter      metricdef.Filter
	reader      measures.Reader
}

// AlertMetrics are the metrics that rules of alerts are held against. With own, a query over tags finds metrics of this dialect alone.
// One goroutine at a time may use it.
func AlertMetrics(definitions Definitions, tenants Tenants, samples Samples, own bool) alerts.Metrics {
	m := &alertMetrics{definitions: definitions, tenants: tenants, samples: samples}
	if own {
		m.filter.Dialect = Name
	}
	return m
}

func (m *alertMetrics) Tenant(id tenant.ID) tenant.Num {
	t, _ := m.tenants.Lookup(id)
	return t.Num
}

func (m *alertMetrics) Find(t tenant.Num, typ metricdef.Type, id string) (metricdef.Ref, bool) {
	return resolve(m.definitions, t, typ, id)
}

func (m *alertMetrics) Select(ctx context.Context, t tenant.Num, typ metricdef.Type, e match.Expr) ([]metricdef.Ref, error) {
	f := m.filter
	f.Types = []metricdef.Type{typ}
	return find(ctx, m.definitions, t, e, f)
}

func (m *alertMetrics) ID(ref metricdef.Ref) string {
	d, ok := m.definitions.Get(ref)
	if !ok {
		return ""
	}
	return idOf(&d)
}

func (m *alertMetrics) Newest(ctx context.Context, ref metricdef.Ref, from, to int64) (t int64, v float64, ok bool, err error) {
	newest, _, has := m.samples.Newest(ref)
	if !has || newest < from {
		return 0, 0, false, nil
	}
	if newest <= to {
		// Nearly always the newest sample is the answer, and no other has to be read.
		if t, v, ok, err = m.last(ctx, ref, newest, newest); ok || err != nil {
			return t, v, ok, err
		}
	}
	return m.last(ctx, ref, from, to)
}

// last is the last value from one time to another. Other dialects store that there is no value as NaN.
func (m *alertMetrics) last(ctx context.Context, ref metricdef.Ref, from, to int64) (t int64, v float64, ok bool, err error) {
	if err := m.samples.Read(ctx, &m.reader, ref, from, to+1); err != nil {
		return 0, 0, false, err
	}
	values := m.reader.Floats()
	for i := len(m.reader.Times) - 1; i >= 0; i-- {
		if values[i] == values[i] {
			return m.reader.Times[i], values[i], true, nil
		}
	}
	return 0, 0, false, nil
}
