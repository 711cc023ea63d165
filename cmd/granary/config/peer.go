package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"granary/policy"
	"granary/tenant"
)

// The sections of cc-metric-store's file.

// maxFrequency keeps the step of a grid far from where times overflow.
const maxFrequency = 366 * 24 * 60 * 60

func (c *Config) readMain(s *section) {
	s.address("addr", &c.Listen, false)
	s.text("https-cert-file", &c.TLS.CertFile)
	s.text("https-key-file", &c.TLS.KeyFile)
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		s.warn(s.n, Doubtful, "https-cert-file", "certificate and key are needed for TLS; with one of them plain HTTP is served, as cc-metric-store does")
	}
	s.text("user", &c.User)
	s.text("group", &c.Group)
	s.text("backend-url", &c.Backend.URL)
	if u, err := url.Parse(c.Backend.URL); c.Backend.URL != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
		s.wrong(s.n.find("backend-url"), "backend-url", "a URL with http or https")
	}
	var key string
	s.text("jwt-public-key", &key)
	if key != "" {
		c.Auth.ClusterCockpitKey = s.publicKey(key)
	}
	readDebug(s)
	s.end(true)
}

func (s *section) publicKey(key string) ed25519.PublicKey {
	const name = "jwt-public-key"
	b, err := base64.StdEncoding.DecodeString(key)
	e := &Error{File: s.n.file, Line: s.n.find(name).line, Key: join(s.path, name)}
	switch {
	case err != nil:
		e.Text = fmt.Sprintf("expected an Ed25519 public key in base64, found %q: %v", shorten(key), err)
	case len(b) != ed25519.PublicKeySize:
		e.Text = fmt.Sprintf("expected an Ed25519 public key, base64 of %d bytes, found base64 of %d bytes", ed25519.PublicKeySize, len(b))
	default:
		return b
	}
	s.r.errs = append(s.r.errs, e)
	return nil
}

func readDebug(s *section) {
	d := s.sub("debug")
	d.noEffect("dump-to-file", text)
	d.noEffect("gops", boolean)
	d.end(true)
}

// address reads host:port.
func (s *section) address(key string, dst *string, loopback bool) {
	n := s.get(key)
	if n == nil {
		return
	}
	host, port, err := net.SplitHostPort(n.text)
	_, portErr := strconv.ParseUint(port, 10, 16)
	expected := `host:port, such as "127.0.0.1:8082" or ":8082"`
	bad := n.kind != text || err != nil || portErr != nil
	if loopback {
		expected = `a loopback address with a port, such as "127.0.0.1:6060"`
		ip := net.ParseIP(host)
		bad = bad || (host != "localhost" && (ip == nil || !ip.IsLoopback()))
	}
	if bad {
		s.wrong(n, key, expected)
		return
	}
	*dst = n.text
}

func (c *Config) readMetrics(s *section) {
	c.AnyMetric = s.n == nil
	if s.n == nil {
		// So that the keys of a metric are known without one.
		m := s.r.section(nil, join(s.path, "NAME"))
		m.get("frequency")
		m.get("aggregation")
		return
	}
	for _, member := range s.n.members {
		path := join(s.path, member.key)
		if member.key == "" {
			s.r.errs = append(s.r.errs, &Error{member.value.file, member.line, path, "expected the name of a metric, found an empty one"})
			continue
		}
		m := s.r.section(member.value, path)
		if m.n == nil {
			if member.value.kind == null {
				s.r.wrong(member.value, path, `an object such as {"frequency": 60, "aggregation": "avg"}`)
			}
			continue
		}
		frequency := int64(-1)
		if f := m.get("frequency"); f == nil {
			s.r.errs = append(s.r.errs, &Error{m.n.file, m.n.line, join(path, "frequency"), "expected a whole number of seconds above zero, found none"})
		} else if v, err := strconv.ParseInt(f.text, 10, 64); f.kind != number || err != nil || v <= 0 || v > maxFrequency {
			m.wrong(f, "frequency", "a whole number of seconds above zero and at most a year")
		} else {
			frequency = v
		}
		across := policy.NoMethod
		if a := m.get("aggregation"); a != nil {
			across = m.aggregation(a)
		}
		m.end(true)
		if frequency > 0 {
			c.Metrics = append(c.Metrics, policy.ClusterCockpitMetric{Name: member.key, Frequency: time.Duration(frequency) * time.Second, Across: across})
		}
	}
}

func (s *section) aggregation(n *node) policy.Method {
	const accepted = `"sum", "avg" or null`
	switch {
	case n.kind != text:
		s.wrong(n, "aggregation", accepted)
	case n.text == "sum":
		return policy.Sum
	case n.text == "avg":
		return policy.Mean
	case n.text != "":
		s.warn(n, Doubtful, "aggregation", "expected %s, found %s; taken as null, as cc-metric-store does", accepted, n.show())
	}
	return policy.NoMethod
}

func (c *Config) readMetricStore(s *section) {
	s.duration("retention-in-memory", &c.Retention, 0)
	if c.Retention == 0 {
		c.Retention = policy.Forever
	}
	gb := int64(0)
	s.integer("memory-cap", &gb, 0, math.MaxInt64/1_000_000_000)
	c.MemoryCap = gb * 1_000_000_000

	if n := s.get("checkpoint-interval"); n != nil {
		if n.kind != text {
			s.wrong(n, "checkpoint-interval", "a text")
		} else {
			s.warn(n, NoEffect, "checkpoint-interval", "is accepted without effect; granary.snapshot.interval says when snapshots start")
		}
	}
	s.noEffect("num-workers", number)
	readDebug(s)

	p := s.sub("checkpoints")
	p.noEffect("file-format", text)
	if n := p.get("directory"); n != nil {
		if n.kind != text {
			p.wrong(n, "directory", "a text")
		} else {
			p.warn(n, NoEffect, "directory", "is accepted without effect; nothing is read or written there, and granary.data says where the data lies")
		}
	}
	p.noEffect("max-wal-size", number)
	if s.n != nil {
		c.PeerDirectory = "./var/checkpoints"
		if p.n != nil {
			if d := p.n.find("directory"); d != nil && d.kind == text && d.text != "" {
				c.PeerDirectory = d.text
			}
		}
	}
	p.end(true)

	u := s.sub("cleanup")
	u.text("mode", new(string), "delete", "archive")
	u.noEffect("directory", text)
	u.end(true)

	c.readSubscriptions(s)
	s.end(true)
}

// refuseArchive keeps a site that counts on archives from losing what it would have archived.
func (c *Config) refuseArchive(r *reader, metricStore *node, archive string) {
	if metricStore == nil || metricStore.kind != object {
		return
	}
	cleanup := metricStore.find("cleanup")
	if cleanup == nil || cleanup.kind != object {
		return
	}
	mode := cleanup.find("mode")
	if mode == nil || mode.text != "archive" {
		return
	}
	const key = "metric-store.cleanup.mode"
	if archive == "none" {
		r.warns = append(r.warns, Warning{NoEffect, mode.file, mode.line, key, "old samples go without an archive, as granary.archive says"})
		return
	}
	r.errs = append(r.errs, &Error{mode.file, mode.line, key,
		`expected "delete", found "archive": this version writes no archives; set granary.archive to "none" to let old samples go without one`})
}

// oldKeys are the keys of cc-metric-store 1.4 that stood at the top, and where their values stand since 1.5.
var oldKeys = map[string]string{
	"http-api":            "main.addr, main.https-cert-file and main.https-key-file",
	"http-api-address":    "main.addr",
	"jwt-public-key":      "main.jwt-public-key",
	"retention-in-memory": "metric-store.retention-in-memory",
	"checkpoints":         "metric-store.checkpoints",
	"archive":             "metric-store.cleanup",
}

// refuseOldLayout refuses what cc-metric-store 1.5 refuses for its missing sections. Here every section may be absent, and a
// file of 1.4 would be served without the identity that it asks for.
func refuseOldLayout(r *reader, top *section) {
	if top.n == nil {
		return
	}
	for _, m := range top.n.members {
		if now, old := oldKeys[m.key]; old {
			r.errs = append(r.errs, &Error{top.n.file, m.line, m.key, "is a key of cc-metric-store 1.4; since 1.5 it is " + now})
		}
	}
}

func (c *Config) readSubscriptions(s *section) {
	n := s.get("nats-subscriptions")
	path := join(s.path, "nats-subscriptions")
	items := []*node{nil} // so that the keys are known without one
	if n != nil {
		if n.kind != list {
			s.wrong(n, "nats-subscriptions", "a list of objects")
			return
		}
		items = n.items
	}
	for i, item := range items {
		sub := s.r.section(item, fmt.Sprintf("%s[%d]", path, i))
		v := Subscription{Consumer: "granary"}
		sub.text("subscribe-to", &v.Subject)
		sub.text("cluster-tag", &v.ClusterTag)
		sub.tenant("tenant", &v.Tenant)
		sub.bool("durable", &v.Durable)
		sub.text("stream", &v.Stream)
		sub.text("consumer", &v.Consumer)
		sub.end(true)
		if sub.n == nil {
			if item != nil && item.kind == null {
				s.r.wrong(item, sub.path, "an object")
			}
			continue
		}
		if !validSubject(v.Subject) {
			s.r.errs = append(s.r.errs, &Error{sub.n.file, sub.n.line, join(sub.path, "subscribe-to"), fmt.Sprintf("expected a NATS subject, found %q", shorten(v.Subject))})
			continue
		}
		if v.Consumer == "" || strings.ContainsAny(v.Consumer, ".*> /\\\t\r\n") {
			s.r.errs = append(s.r.errs, &Error{sub.n.file, sub.n.line, join(sub.path, "consumer"), fmt.Sprintf("expected a name without spaces, dots, slashes and wildcards, found %q", shorten(v.Consumer))})
			continue
		}
		c.NATS.Subscriptions = append(c.NATS.Subscriptions, v)
	}
}

// validSubject says whether NATS takes the text as a subject to subscribe to: tokens between dots, none empty, ">" only
// as the last one.
func validSubject(s string) bool {
	if strings.ContainsAny(s, " \t\r\n\x00") {
		return false
	}
	tokens := strings.Split(s, ".")
	for i, t := range tokens {
		if t == "" || (t == ">" && i < len(tokens)-1) {
			return false
		}
	}
	return true
}

func (s *section) tenant(key string, dst *tenant.ID) {
	n := s.get(key)
	if n == nil {
		return
	}
	id, err := tenant.Parse(n.text)
	if n.kind != text || err != nil {
		s.wrong(n, key, `a tenant id: 1 to 128 bytes, printable, without "/"`)
		return
	}
	*dst = id
}

func (c *Config) readNATS(s *section) {
	s.text("address", &c.NATS.Address)
	s.text("username", &c.NATS.Username)
	s.secret("password", &c.NATS.Password)
	s.text("creds-file-path", &c.NATS.CredsFile)
	s.end(false)
}
