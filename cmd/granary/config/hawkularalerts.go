package config

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"granary/compat/hawkular/alerts"
	"granary/compat/hawkular/tagql"
	"granary/metricdef"
)

// HawkularAlerts is granary.compat.hawkular.alerts.
type HawkularAlerts struct {
	Interval time.Duration  // between two looks
	Window   time.Duration  // how old the value may be by which a metric is judged
	AtStart  alerts.AtStart // which alerts are sent when they are first judged: at-start
	Server   Secret         // URL of the receiver, with a password perhaps; "": none
	Method   string
	Insecure bool   // any certificate of the receiver is taken
	CA       string // file of authorities; "": those of the system
	Timeout  time.Duration
	Retries  int64
	Queue    int64 // changes that may wait to be sent
	// Rules are checked; one that names no tenant is for the default tenant.
	Rules []alerts.Rule
}

// Receiver is the address that changes are sent to, without what may be secret in it; "" if there is none.
func (a *HawkularAlerts) Receiver() string {
	u, err := alerts.ParseServer(string(a.Server))
	if err != nil {
		return ""
	}
	return alerts.Shown(u)
}

func defaultAlerts() HawkularAlerts {
	return HawkularAlerts{Interval: alerts.DefaultInterval, Window: alerts.DefaultWindow, Method: http.MethodPost, Timeout: alerts.DefaultTimeout,
		Retries: alerts.DefaultRetries, Queue: alerts.DefaultQueue}
}

func (a *HawkularAlerts) read(s *section) {
	s.seconds("interval", &a.Interval, 100*time.Millisecond)
	s.seconds("window", &a.Window, time.Second)
	a.AtStart = alerts.AtStart(s.oneOf("at-start", alerts.AtStartNames[:]))
	s.secret("server", &a.Server)
	if n := s.get("server"); n != nil && a.Server != "" {
		if _, err := alerts.ParseServer(string(a.Server)); err != nil {
			s.r.errs = append(s.r.errs, &Error{n.file, n.line, join(s.path, "server"), "expected " + err.Error()})
		}
	}
	s.text("method", &a.Method, http.MethodPost, http.MethodPut)
	s.bool("insecure", &a.Insecure)
	s.text("ca", &a.CA)
	s.seconds("timeout", &a.Timeout, time.Millisecond)
	s.integer("retries", &a.Retries, 0, 1000)
	s.integer("queue", &a.Queue, 1, 1_000_000)
	items := []*node{nil} // so that the keys are known without one
	n := s.get("rules")
	if n != nil {
		if n.kind != list {
			s.wrong(n, "rules", "a list of objects")
			return
		}
		items = n.items
	}
	ids := make(map[string]bool)
	for i, item := range items {
		path := join(s.path, "rules") + "[" + strconv.Itoa(i) + "]"
		if item != nil && item.kind == null {
			s.r.wrong(item, path, "an object")
			continue
		}
		rule := s.r.section(item, path)
		before := len(s.r.errs)
		r := rule.alertRule()
		if rule.n == nil || len(s.r.errs) > before {
			continue
		}
		if ids[r.ID] {
			rule.fault("id", "another rule has the id "+strconv.Quote(shorten(r.ID)))
			continue
		}
		ids[r.ID] = true
		a.Rules = append(a.Rules, r)
	}
	s.end(true)
	a.doubt(s)
}

// doubt warns of alerts that tell less than their owner may think.
func (a *HawkularAlerts) doubt(s *section) {
	if s.n == nil {
		return
	}
	if n := s.n.find("rules"); n == nil || n.kind == null || n.kind == list && len(n.items) == 0 {
		s.warn(s.n, Doubtful, "rules", "there are none, so nothing is watched and nobody is told")
		return
	}
	if a.Window < a.Interval {
		n := cmp.Or(s.n.find("window"), s.n.find("interval"))
		s.warn(n, Doubtful, "window", "%v is shorter than interval, %v: a value that is older when it is looked for counts as missing", a.Window, a.Interval)
	}
}

// alertRule reads one rule, to its end. Its keys are Mohawk's, and three of ours.
func (s *section) alertRule() alerts.Rule {
	r, before := alerts.Rule{Type: metricdef.Gauge}, len(s.r.errs)
	s.text("id", &r.ID)
	s.tenant("tenant", &r.Tenant)
	r.Metrics, _ = s.texts("metrics")
	s.text("tags", &r.Tags)
	r.Lower, r.Higher = s.float("alert-if-lower-than"), s.float("alert-if-higher-than")
	typ := metricdef.Gauge.String()
	s.text("type", &typ, metricdef.Gauge.String(), metricdef.Counter.String())
	r.Type, _ = metricdef.ParseType(typ)
	missing := ""
	s.text("missing-when", &missing, alerts.MissingNames[1:]...)
	r.Missing = alerts.Missing(slices.Index(alerts.MissingNames[:], missing))
	if n := s.get("annotations"); n != nil {
		if n.kind != object {
			s.wrong(n, "annotations", "an object of texts")
		}
		r.Annotations = make(map[string]string, len(n.members))
		for _, m := range n.members {
			switch m.value.kind {
			case text, number, boolean: // as it is written, "severity: 1" too
				r.Annotations[m.key] = m.value.text
			default:
				s.r.wrong(m.value, join(join(s.path, "annotations"), m.key), "a text, a number, true or false")
			}
		}
	}
	s.end(true)
	if s.n == nil || len(s.r.errs) > before {
		return r // what lacks may well be what could not be read
	}
	if r.Tags != "" {
		q, err := tagql.Parse(r.Tags, tagql.Patterns)
		if err != nil {
			s.fault("tags", err.Error())
			return r
		}
		r.Selector = q.Expr
	}
	var bad *alerts.RuleError
	if err := r.Validate(); errors.As(err, &bad) {
		s.fault(bad.Field, bad.Err.Error())
	}
	return r
}

// seconds reads a duration as text, or a number of seconds as Mohawk has it.
func (s *section) seconds(key string, dst *time.Duration, low time.Duration) {
	if s.n != nil {
		if n := s.n.find(key); n != nil && n.kind == number {
			v, err := strconv.ParseFloat(n.text, 64)
			if d := time.Duration(v * float64(time.Second)); err == nil && v < float64(math.MaxInt32) && d >= low {
				s.get(key) // it is known
				*dst = d
				return
			}
		}
	}
	s.duration(key, dst, low)
}

// float reads a number, nil if there is none.
func (s *section) float(key string) *float64 {
	n := s.get(key)
	if n == nil {
		return nil
	}
	v, err := strconv.ParseFloat(n.text, 64)
	if n.kind != number || err != nil {
		s.wrong(n, key, "a finite number")
		return nil
	}
	return &v
}
