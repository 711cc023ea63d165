package config

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"granary/tenant"
)

// The kinds of server that a bridge reads from.
const (
	Prometheus = "prometheus"
	InfluxDB   = "influxdb"
)

// The languages that an InfluxDB is asked in.
const (
	InfluxQL = "influxql"
	Flux     = "flux"
)

// Bridge is the file of `granary bridge`: what is asked of which servers, and where the answers go. docs/bridge.md lists its keys.
type Bridge struct {
	Path        string
	Kind        string        // Prometheus or InfluxDB
	Interval    time.Duration // between two rounds, whole seconds
	OwnTime     bool          // samples keep the time of the answer, instead of that of the round
	Concurrency int           // queries at a time
	Granary     BridgeTarget
	Sources     []BridgeSource
	Metrics     []BridgeMetric // in the order of the file
	Spool       BridgeSpool
}

// BridgeEndpoint is how a server is reached. At most one of the ways to say who asks is given.
type BridgeEndpoint struct {
	URL          string
	Timeout      time.Duration // of one request
	Bearer       Secret
	BearerFile   string
	Token        Secret // of InfluxDB
	TokenFile    string
	User         string
	Password     Secret
	PasswordFile string
	CAFile       string // PEM; "" for the authorities of the system
	CertFile     string // of the client, with KeyFile
	KeyFile      string
	ServerName   string // that the certificate must have; "" for that of the URL
}

// BridgeTarget is the Granary that is written to.
type BridgeTarget struct {
	BridgeEndpoint
	Tenant  string        // "" for that of the token
	Lines   int           // in one body, at most
	MaxWait time.Duration // the longest pause between two attempts
}

// BridgeSource is a server that is asked.
type BridgeSource struct {
	BridgeEndpoint
	Name      string
	Database  string // of InfluxQL
	Retention string // policy of InfluxQL; "" for the default one
	Org       string // of Flux
	MaxAnswer int64  // bytes
}

// BridgeMetric is one query and what its answer becomes.
type BridgeMetric struct {
	Name     string
	Query    string
	Language string   // InfluxQL or Flux; "" for Prometheus
	Sources  []string // names
	Column   string   // of the value; "" for the one that there is
	Scale    float64
	Tags     map[string]string // cluster, type and unit among them
	Labels   map[string]string // by tag, the label or column that gives its value
	Host     BridgeHost
	Line     int // where it stands in the file
}

// BridgeHost makes the name of a host of a label.
type BridgeHost struct {
	Label     string
	StripPort bool
	Pattern   *regexp.Regexp // the whole value has to match; nil takes it as it is
	Replace   string         // what becomes of the value, with $1 for what the first group found
}

// BridgeSpool is where lines wait for Granary.
type BridgeSpool struct {
	Dir  string // "" leaves it to the command
	Size int64
	Age  time.Duration // 0 for any
}

// MinSpool is the smallest spool: some of the largest bodies have room.
const MinSpool = 8 << 20

// LoadBridge reads the file of a bridge to servers of a kind, which "" leaves to the file. All faults are reported at once, as by Load; files
// that it names are looked for beside it.
func LoadBridge(path, kind string, o Options) (*Bridge, error) {
	data, err := o.readFile(path)
	if err != nil {
		return nil, &Error{File: path, Text: "expected a file that can be read: " + reason(err)}
	}
	root, err := parse(path, data)
	if err != nil {
		return nil, err
	}
	if root == nil {
		root = &node{kind: object, file: path, line: 1}
	}
	if root.kind != object {
		return nil, &Error{path, root.line, "", "expected an object with the members sources and metrics, found " + root.show()}
	}
	b := &Bridge{Path: path, Kind: kind, Interval: time.Minute, Concurrency: 4, Spool: BridgeSpool{Size: 256 << 20, Age: 7 * 24 * time.Hour}}
	r := &reader{keys: o.keys}
	b.read(r.section(root, ""))
	if err := r.err(); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Bridge) read(s *section) {
	wanted := b.Kind
	s.text("kind", &b.Kind, Prometheus, InfluxDB)
	switch {
	case b.Kind == "":
		s.fault("kind", "expected prometheus or influxdb")
		return
	case wanted != "" && b.Kind != wanted:
		s.fault("kind", fmt.Sprintf("expected %s, since this is `granary bridge %s`, found %s", wanted, wanted, b.Kind))
		return
	}
	s.duration("interval", &b.Interval, time.Second)
	if b.Interval%time.Second != 0 || b.Interval > 24*time.Hour {
		s.fault("interval", "expected whole seconds, 24h at most")
	}
	clock := "round"
	s.text("time", &clock, "round", "sample")
	b.OwnTime = clock == "sample"
	concurrency := int64(b.Concurrency)
	s.integer("concurrency", &concurrency, 1, 64)
	b.Concurrency = int(concurrency)

	spool := s.sub("spool")
	spool.text("dir", &b.Spool.Dir)
	spool.size("size", &b.Spool.Size, MinSpool, math.MaxInt64)
	spool.duration("age", &b.Spool.Age, time.Minute, 0)
	spool.end(true)

	b.readTarget(s.sub("granary"))
	s.each("sources", b.readSource)
	if n := s.get("sources"); n == nil || n.kind == list && len(n.items) == 0 {
		s.fault("sources", "expected a list of servers to ask, such as [{url: \"http://127.0.0.1:9090\"}]")
	}

	all := BridgeMetric{Scale: 1, Tags: map[string]string{"type": "node"}, Labels: map[string]string{}}
	all.Host = BridgeHost{Label: "instance", StripPort: true}
	if b.Kind == InfluxDB {
		all.Host, all.Language = BridgeHost{Label: "host"}, InfluxQL
	}
	b.readShape(s, &all)
	metrics := s.sub("metrics")
	members := []member{{key: "NAME"}} // so that the keys are known without one
	if metrics.n != nil {
		members = metrics.n.members
	}
	for _, m := range members {
		b.readMetric(metrics, m, all)
	}
	if len(members) == 0 || metrics.n == nil {
		s.fault("metrics", "expected an object of metrics and their queries, such as {cpu_load: {query: node_load1}}")
	}
	s.end(true)
	if s.r.err() == nil {
		b.refuseMissing(s)
	}
}

// refuseMissing looks at what only shows where metrics and sources come together.
func (b *Bridge) refuseMissing(s *section) {
	for i := range b.Metrics {
		m := &b.Metrics[i]
		if len(m.Sources) == 0 {
			for _, src := range b.Sources {
				m.Sources = append(m.Sources, src.Name)
			}
		}
		fail := func(format string, args ...any) {
			s.r.errs = append(s.r.errs, &Error{b.Path, m.Line, join("metrics", m.Name), fmt.Sprintf(format, args...)})
		}
		if m.Tags["cluster"] == "" && m.Labels["cluster"] == "" {
			fail("expected a cluster, here or at the top of the file: without one nobody can ask for the metric")
		}
		for _, name := range m.Sources {
			j := slices.IndexFunc(b.Sources, func(src BridgeSource) bool { return src.Name == name })
			switch {
			case j < 0:
				fail("expected the name of a source, found %q", name)
			case m.Language == InfluxQL && b.Sources[j].Database == "":
				fail("expected the database of InfluxQL in the source %s", name)
			case m.Language == Flux && b.Sources[j].Org == "" && b.Sources[j].User == "":
				fail("expected the org of Flux in the source %s", name)
			}
		}
	}
}

func (b *Bridge) readTarget(s *section) {
	t := &b.Granary
	t.Lines, t.MaxWait = 5000, 30*time.Second
	t.BridgeEndpoint = b.endpoint(s, func(e *BridgeEndpoint) {
		s.secret("token", &e.Bearer)
		s.text("token-file", &e.BearerFile)
	})
	var id tenant.ID
	s.tenant("tenant", &id)
	t.Tenant = string(id)
	lines := int64(t.Lines)
	s.integer("lines", &lines, 1, 100_000)
	t.Lines = int(lines)
	s.duration("max-wait", &t.MaxWait, time.Second)
	s.end(true)
	if s.n == nil {
		t.URL = "http://127.0.0.1:8082"
	}
}

func (b *Bridge) readSource(s *section) {
	src := BridgeSource{MaxAnswer: 64 << 20}
	s.text("name", &src.Name)
	if b.Kind == InfluxDB {
		s.text("database", &src.Database)
		s.text("retention-policy", &src.Retention)
		s.text("org", &src.Org)
	}
	s.size("max-answer", &src.MaxAnswer, 1024, 1<<32)
	src.BridgeEndpoint = b.endpoint(s, func(e *BridgeEndpoint) {
		s.secret("bearer", &e.Bearer)
		s.text("bearer-file", &e.BearerFile)
		if b.Kind == InfluxDB {
			s.secret("token", &e.Token)
			s.text("token-file", &e.TokenFile)
		}
	})
	s.end(true)
	if s.n == nil {
		return
	}
	src.Name = cmp.Or(src.Name, hostOf(src.URL))
	if slices.ContainsFunc(b.Sources, func(o BridgeSource) bool { return o.Name == src.Name }) {
		s.fault("name", fmt.Sprintf("expected a name that no other source has, found %q", src.Name))
	}
	b.Sources = append(b.Sources, src)
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// endpoint reads what all servers have; own reads the tokens that they know.
func (b *Bridge) endpoint(s *section, own func(*BridgeEndpoint)) BridgeEndpoint {
	e := BridgeEndpoint{Timeout: 10 * time.Second}
	s.text("url", &e.URL)
	s.duration("timeout", &e.Timeout, 100*time.Millisecond)
	own(&e)
	s.text("user", &e.User)
	s.secret("password", &e.Password)
	s.text("password-file", &e.PasswordFile)
	t := s.sub("tls")
	t.text("ca-file", &e.CAFile)
	t.text("cert-file", &e.CertFile)
	t.text("key-file", &e.KeyFile)
	t.text("server-name", &e.ServerName)
	t.end(true)
	if s.n == nil {
		return e
	}
	u, err := url.Parse(e.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		s.fault("url", "expected the address of a server, such as http://127.0.0.1:9090")
	case u.User != nil:
		s.fault("url", "expected a name and a password in user and password-file, not in the address")
	}
	ways := 0
	for _, w := range []string{string(e.Bearer), e.BearerFile, string(e.Token), e.TokenFile, e.User} {
		if w != "" {
			ways++
		}
	}
	switch {
	case ways > 1:
		s.fault("user", "expected one way to say who asks, found several")
	case e.User == "" && (e.Password != "" || e.PasswordFile != ""):
		s.fault("password", "expected a user that the password belongs to")
	case e.Password != "" && e.PasswordFile != "":
		s.fault("password", "expected password or password-file, found both")
	case (e.CertFile == "") != (e.KeyFile == ""):
		s.fault("tls", "expected cert-file and key-file, found one of them")
	}
	for _, f := range []*string{&e.BearerFile, &e.TokenFile, &e.PasswordFile, &e.CAFile, &e.CertFile, &e.KeyFile} {
		if *f != "" && !filepath.IsAbs(*f) {
			*f = filepath.Join(filepath.Dir(b.Path), *f)
		}
	}
	return e
}

// readMetric reads the queries of one metric: a text, an object, or a list of objects.
func (b *Bridge) readMetric(parent *section, m member, all BridgeMetric) {
	path := join(parent.path, m.key)
	if m.value != nil && m.value.kind == text {
		one := all
		one.Name, one.Line, one.Query = m.key, m.line, m.value.text
		b.addMetric(parent.r, m.value, path, one)
		return
	}
	if m.value == nil || m.value.kind != list {
		b.readQuery(parent.r, m, m.value, path, all)
		return
	}
	for i, item := range m.value.items {
		b.readQuery(parent.r, m, item, fmt.Sprintf("%s[%d]", path, i), all)
	}
	if len(m.value.items) == 0 {
		parent.r.wrong(m.value, path, "a query")
	}
}

func (b *Bridge) readQuery(r *reader, m member, n *node, path string, all BridgeMetric) {
	s := r.section(n, path)
	one := all
	one.Tags, one.Labels = maps.Clone(all.Tags), maps.Clone(all.Labels)
	one.Name = m.key
	s.text("query", &one.Query)
	if f := s.float("scale"); f != nil {
		one.Scale = *f
	}
	one.Sources, _ = s.texts("sources")
	if b.Kind == InfluxDB {
		s.text("column", &one.Column)
	}
	var unit string
	s.text("unit", &unit)
	b.readShape(s, &one)
	s.end(true)
	if unit != "" {
		one.Tags["unit"] = unit
	}
	switch {
	case s.n != nil:
		one.Line = n.line
		b.addMetric(r, n, path, one)
	case n != nil && n.kind == null:
		r.wrong(n, path, "a query")
	}
}

func (b *Bridge) addMetric(r *reader, n *node, path string, m BridgeMetric) {
	if strings.TrimSpace(m.Query) == "" {
		r.errs = append(r.errs, &Error{n.file, n.line, path, "expected a query"})
		return
	}
	if m.Scale == 0 {
		r.errs = append(r.errs, &Error{n.file, n.line, path, "expected a scale other than 0"})
		return
	}
	b.Metrics = append(b.Metrics, m)
}

// readShape reads what may stand at the top for all metrics, and in one for itself.
func (b *Bridge) readShape(s *section, m *BridgeMetric) {
	if b.Kind == InfluxDB {
		s.text("language", &m.Language, InfluxQL, Flux)
	}
	s.tags("tags", m.Tags)
	s.tags("labels", m.Labels)
	for _, key := range []string{"cluster", "type"} {
		value := m.Tags[key]
		s.text(key, &value)
		if value != "" {
			m.Tags[key] = value
		}
	}
	h := s.sub("host")
	h.text("label", &m.Host.Label)
	h.bool("strip-port", &m.Host.StripPort)
	var pattern string
	h.text("pattern", &pattern)
	h.text("replace", &m.Host.Replace)
	h.end(true)
	if pattern != "" {
		if _, err := regexp.Compile(pattern); err != nil {
			h.fault("pattern", "expected a regular expression (RE2): "+strings.TrimPrefix(err.Error(), "error parsing regexp: "))
			return
		}
		re := regexp.MustCompile("^(?s:" + pattern + ")$") // a good one in a group is good
		m.Host.Pattern = re
		if h.n.find("replace") == nil { // that of the top belongs to the pattern of the top
			m.Host.Replace = "$1"
			if re.NumSubexp() == 0 {
				m.Host.Replace = "$0"
			}
		}
	} else if h.n != nil && h.n.find("replace") != nil && m.Host.Pattern == nil {
		h.fault("replace", "expected a pattern, whose groups it names")
	}
}

// tags reads an object of texts over those that are there; an empty text takes one away.
func (s *section) tags(key string, dst map[string]string) {
	n := s.get(key)
	if n == nil {
		return
	}
	const expected = "an object of texts by the names of tags"
	if n.kind != object {
		s.wrong(n, key, expected)
		return
	}
	for _, m := range n.members {
		switch {
		case m.value.kind != text && m.value.kind != number || m.key == "":
			s.wrong(m.value, key, expected)
		case m.value.text == "":
			delete(dst, m.key)
		default:
			dst[m.key] = m.value.text
		}
	}
}
