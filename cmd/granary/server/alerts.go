package server

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"

	"granary/compat/hawkular"
	"granary/compat/hawkular/alerts"
)

// openAlerts makes what watches the alerts of the configuration, if it has any.
func (s *Server) openAlerts() error {
	if !s.cfg.Hawkular.Enabled || len(s.cfg.Hawkular.Alerts.Rules) == 0 {
		return nil
	}
	o, err := s.alertOptions()
	if err != nil {
		return err
	}
	if s.alerts, err = alerts.New(o); err != nil {
		return fmt.Errorf("granary.compat.hawkular.alerts: %w", err)
	}
	return nil
}

func (s *Server) alertOptions() (o alerts.Options, err error) {
	cfg := &s.cfg.Hawkular.Alerts
	o = alerts.Options{
		Metrics:  hawkular.AlertMetrics(s.store.Definitions, s.store.Tenants, s.store, s.cfg.Hawkular.Own),
		Interval: cfg.Interval, Window: cfg.Window, AtStart: cfg.AtStart, Now: s.o.Now, Logger: s.o.Logger,
		Hook: alerts.Hook{Server: string(cfg.Server), Method: cfg.Method, Insecure: cfg.Insecure, Timeout: cfg.Timeout, Retries: int(cfg.Retries),
			Queue: int(cfg.Queue), Agent: "granary/" + s.o.Version},
	}
	if cfg.Retries == 0 {
		o.Hook.Retries = -1 // 0 is the default there
	}
	for _, r := range cfg.Rules {
		if r.Tenant == "" {
			r.Tenant = s.cfg.Tenants.Default
		}
		o.Rules = append(o.Rules, r)
	}
	if cfg.CA == "" {
		return o, nil
	}
	o.Hook.CA, err = LoadAlertAuthorities(cfg.CA)
	return o, err
}

// LoadAlertAuthorities reads the file of the authorities whose certificates the receiver of alerts may have.
func LoadAlertAuthorities(file string) (*x509.CertPool, error) {
	const key = "granary.compat.hawkular.alerts.ca"
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s: %s holds no certificate (PEM)", key, file)
	}
	return pool, nil
}

// watchAlerts judges alerts and sends their changes until ctx ends.
func (s *Server) watchAlerts(ctx context.Context) {
	if s.alerts != nil {
		s.alerts.Run(ctx)
	}
}

// alerts counts what the watch over alerts does.
func (c *collector) alerts(gauge, count emit) {
	if c.s.alerts == nil {
		return
	}
	st := c.s.alerts.Stats()
	count("alerts_looks_total", "Times that all alerts were judged.", float64(st.Looks))
	count("alerts_failures_total", "Alerts that could not be judged at a look.", float64(st.Failures))
	for status, n := range st.Statuses {
		gauge("alerts", "Alerts, by how they stand.", float64(n), "status", status.String())
	}
	for status, n := range st.Changes {
		count("alerts_changes_total", "Changes of alerts, by what they became.", float64(n), "status", status.String())
	}
	gauge("alerts_waiting", "Changes of alerts that wait to be sent.", float64(st.Waiting))
	gauge("alerts_untold", "Alerts whose last change was given up, so that the receiver does not know how they stand.", float64(st.Untold))
	count("alerts_sent_total", "Changes of alerts that the receiver has taken.", float64(st.Sent))
	count("alerts_attempts_failed_total", "Attempts to send a change of an alert that failed.", float64(st.Failed))
	for why, n := range st.Lost {
		count("alerts_lost_total", "Changes of alerts that were given up, by why.", float64(n), "reason", why.String())
	}
}
