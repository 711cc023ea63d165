package config

import (
	"crypto/ed25519"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"granary/policy"
	"granary/tenant"
)

// DefaultRetention is how long samples are kept where the file does not say. It is longer than what sites of
// ClusterCockpit use, for here old samples lie on disk.
const DefaultRetention = 30 * 24 * time.Hour

// Config is the configuration in force. Make one with Default or Load; the comments name the keys of the file, from the
// top. docs/config.md has the same list with more words.
type Config struct {
	// Path is the file that was read, "" for none. Files are all files that were read, Path first, then the includes.
	Path  string
	Files []string

	Listen string // granary.listen, else main.addr: host:port
	Data   string // granary.data: the data directory
	TLS    TLS

	// User and Group are taken on once the listener, the lock and the data are open: main.user, main.group. "" keeps them.
	User, Group string

	Auth     Auth
	Identity Identity

	// MemoryCap bounds what the process holds for samples and index, in bytes; 0 is no bound. granary.memory-cap,
	// else metric-store.memory-cap in units of 1e9 bytes.
	MemoryCap int64

	// Retention is how long samples are kept, policy.Forever for ever: metric-store.retention-in-memory.
	Retention time.Duration
	// Metrics are the entries of the section metrics, in the order of the file. AnyMetric is true without that section: then
	// every metric is accepted, at the policy "cc-default".
	Metrics   []policy.ClusterCockpitMetric
	AnyMetric bool
	// OwnPolicies and OwnRules are granary.policies and granary.rules.
	OwnPolicies []policy.Policy
	OwnRules    []policy.Rule

	Backend        Backend
	NATS           NATS
	Tenants        Tenants
	Journal        Journal
	Snapshot       Snapshot
	Limits         Limits
	Queue          Queue
	Usage          Usage
	Bounds         Bounds
	Timeouts       Timeouts
	ClusterCockpit ClusterCockpit
	Coopr          Coopr
	Hawkular       Hawkular
	Gnocchi        Gnocchi
	Influx         Influx
	Native         Native
	Prometheus     RemoteWrite
	Mapping        Mapping

	// TrustedProxies are those whose X-Project-Id chooses and limits the tenant: granary.trusted-proxies.
	TrustedProxies []netip.Prefix
	// Origins are those of the web pages whose scripts may ask, "*" for all: granary.cors.origins.
	Origins []string

	// AuditFile is the file of the audit log, "" for DATA/audit.log, AuditToLog for the log of the service: granary.audit.file.
	AuditFile string

	// Compress says how answers are compressed for those who ask for gzip: granary.compress.
	Compress Compress
	// DiskFreeMark is the free space on the data's file system below which writes are refused, in bytes; 0 is none:
	// granary.disk-free-mark.
	DiskFreeMark int64

	Log         Log
	Swagger     bool   // granary.swagger.enabled: serve the page of the HTTP API
	AdminListen string // granary.admin.listen: loopback address of the profiles; "" for none

	// PeerDirectory is where cc-metric-store would keep its checkpoints, "" if the file is not one of its kind. Nothing is
	// ever written there: metric-store.checkpoints.directory.
	PeerDirectory string

	policies       *policy.Set
	metricWarnings []Warning
	overrides      Overrides
	// tenantOverrides are those of the file Limits.Overrides, overridesPath where it was found.
	tenantOverrides tenant.Overrides
	overridesPath   string
}

// TLS names the files of a certificate and its key, main.https-cert-file and main.https-key-file, and is granary.tls.
type TLS struct {
	CertFile, KeyFile string
	// ClientCA is a file of the authorities whose certificates clients may have: client-ca. "": none.
	ClientCA   string
	ClientAuth ClientAuth // client-auth
	MinVersion uint16     // min-version, as crypto/tls counts
}

// ClientAuth says whether clients show certificates.
type ClientAuth string

// The values of granary.tls.client-auth.
const (
	ClientNone    ClientAuth = "none"
	ClientRequest ClientAuth = "request" // who has one shows it; one that is not good ends the connection
	ClientRequire ClientAuth = "require"
)

// Enabled says whether TLS is served. One file without the other serves none, as cc-metric-store does.
func (t TLS) Enabled() bool { return t.CertFile != "" && t.KeyFile != "" }

// Auth says who may enter.
type Auth struct {
	// ClusterCockpitKey checks the JWTs on /api/*; nil for no check: main.jwt-public-key, base64 of 32 bytes.
	ClusterCockpitKey ed25519.PublicKey
	// Open serves all routes on all addresses without identity: granary.auth is "none".
	Open bool
}

// Backend is the node provider: main.backend-url, and the token that it asks for, granary.backend.token or the content of
// granary.backend.token-file.
type Backend struct {
	URL   string // "" for none
	Token Secret
}

// NATS is the connection of the section nats, the subscriptions of metric-store.nats-subscriptions, and
// granary.compat.nats.
type NATS struct {
	Address       string // "" for none
	Username      string
	Password      Secret
	CredsFile     string // creds-file-path
	Subscriptions []Subscription

	Enabled         bool          // enabled
	BatchBytes      int64         // batch: pending messages are gathered up to this many bytes
	BatchWait       time.Duration // batch-wait: or this long
	PendingMessages int64         // pending-messages: of one subscription, before overflow
	PendingBytes    int64         // pending: of one subscription, before overflow
}

// Active says whether there is anything to connect to.
func (n NATS) Active() bool { return n.Enabled && n.Address != "" && len(n.Subscriptions) > 0 }

// Subscription is one subject that is listened to.
type Subscription struct {
	Subject    string    // subscribe-to
	ClusterTag string    // cluster-tag: the cluster of lines that name none
	Tenant     tenant.ID // tenant; "" for the default, or what cluster-tenants say
	// Durable reads through a JetStream consumer and acknowledges after the journal: durable, stream (found by the subject
	// if ""), consumer (its name).
	Durable  bool
	Stream   string
	Consumer string
}

// Tenants is granary.tenants.
type Tenants struct {
	Default tenant.ID // default: the tenant of all that name none
	// Implicit lets the first write make its tenant: create is "implicit".
	Implicit bool
	Max      int64 // max: how many there may be; 0 is no bound
	// CreateRate is how many tenants a minute the first write may make, CreateBurst how many at once: create-rate, create-burst.
	// A rate of 0 is no bound.
	CreateRate, CreateBurst int64
}

// Sync says when the journal is synced to disk.
type Sync string

// The values of granary.journal.sync.
const (
	SyncAlways   Sync = "always"   // before each acknowledgement
	SyncInterval Sync = "interval" // every Journal.Interval
	SyncNever    Sync = "never"    // when the kernel pleases
)

// Journal is granary.journal.
type Journal struct {
	Sync     Sync
	Interval time.Duration
}

// Snapshot is granary.snapshot: one starts at whichever comes first.
type Snapshot struct {
	Interval     time.Duration
	JournalBytes int64
}

// Queue is granary.queue: how what all want at the same time is shared out between tenants.
type Queue struct {
	Bytes   int64         // bytes: of bodies that wait or are worked on
	Wait    time.Duration // wait: how long a write, or a query, waits for its turn, where the tenant's limit says nothing
	Workers int64         // workers: how many decode or read at the same time; 0 is one for each processor
}

// Timeouts is granary.timeouts, of the HTTP server. Unbounded is none.
type Timeouts struct {
	Header time.Duration // header: until the header of a request has come
	Read   time.Duration // read: until the whole request has come
	Write  time.Duration // write: from the end of the header until the answer is out
	Idle   time.Duration // idle: between two requests of a connection
}

// Bounds are how far from now samples of a dialect may lie: granary.bounds is those of ClusterCockpit. What lies outside is counted and not
// stored.
type Bounds struct {
	Future time.Duration // how far ahead, Unbounded for any
	Past   time.Duration // how old, 0 for the retention, Unbounded for any
}

func defaultBounds() Bounds { return Bounds{Future: 10 * time.Minute} }

func (b *Bounds) read(s *section) {
	s.duration("future", &b.Future, 0, Unbounded)
	s.duration("past", &b.Past, 0, Unbounded)
	s.end(true)
}

// AuditToLog sends what the audit log says to the log of the service.
const AuditToLog = "log"

// Unbounded is the bound that lets all pass.
const Unbounded time.Duration = -1

// ClusterCockpit is granary.compat.clustercockpit.
type ClusterCockpit struct {
	Enabled bool
	// Tenants says to which tenant a cluster belongs: cluster-tenants. The others belong to Tenants.Default.
	Tenants map[string]tenant.ID

	MaxAnswer    int64 // max-answer: bytes of one answer
	MaxQueries   int64 // max-queries: queries of one request
	MaxQueryBody int64 // max-query-body: bytes of the body of a request that is no write
}

// Native is granary.native, the API below /v2.
type Native struct {
	Enabled    bool
	MaxRequest int64 // max-request: bytes of the body of a request that writes no measures
}

// Compress is a level of compression.
type Compress string

// The values of granary.compress.
const (
	CompressOff  Compress = "off"
	CompressFast Compress = "fast" // Huffman only
	CompressBest Compress = "best"
)

// Log is granary.log.
type Log struct {
	Level slog.Level
	JSON  bool // format is "json"
	// Access logs every request at level info, else at debug: access.
	Access bool
}

// Secret is a text that must not come into logs. It prints as a row of stars.
type Secret string

// String hides the text.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the text.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Default is the configuration without a file.
func Default() *Config {
	c := &Config{
		Listen:    "127.0.0.1:8082",
		Data:      "./granary-data",
		Retention: DefaultRetention,
		AnyMetric: true,
		NATS:      NATS{Enabled: true, BatchBytes: 1 << 20, BatchWait: 10 * time.Millisecond, PendingMessages: 1 << 19, PendingBytes: 256 << 20},
		Tenants:   Tenants{Default: "_ops", Implicit: true, CreateRate: 60, CreateBurst: 1000},
		Journal:   Journal{Sync: SyncInterval, Interval: time.Second},
		Snapshot:  Snapshot{Interval: 10 * time.Minute, JournalBytes: 128 << 20},
		Limits: Limits{
			Limits: tenant.Limits{Body: 64 << 20, Line: 64 << 10, QuerySamples: 200_000_000, QuerySeries: 100_000, Weight: 1},
			Text:   8 << 10, QueryPoints: 20_000_000, AnswerPadding: 100_000, Connections: 16 << 10, ConnectionsPerAddress: 4 << 10,
		},
		Bounds:   defaultBounds(),
		Timeouts: Timeouts{Header: 10 * time.Second, Read: 30 * time.Second, Write: time.Minute, Idle: 2 * time.Minute},
		Queue:    Queue{Bytes: 256 << 20, Wait: 2 * time.Second},
		Usage: Usage{NodeTags: []string{"hostname", "host", "instance"}, ClusterTags: []string{"cluster"}, UserTags: []string{"user"},
			TemplateTags: []string{"template"}, Grace: 5 * time.Minute, Keep: 400 * 24 * time.Hour},
		ClusterCockpit: ClusterCockpit{
			Enabled: true, Tenants: map[string]tenant.ID{},
			MaxAnswer: 256 << 20, MaxQueries: 200_000, MaxQueryBody: 16 << 20,
		},
		Coopr:          Coopr{Enabled: true, QueueCache: 10 * time.Second},
		Gnocchi:        defaultGnocchi(),
		Prometheus:     defaultRemoteWrite(),
		Influx:         defaultInflux(),
		Hawkular:       Hawkular{Enabled: true, DefaultStart: 8 * time.Hour, Retention: policy.HawkularRetention, Origins: []string{"*"}, MaxRequest: 16 << 20, Alerts: defaultAlerts()},
		Native:         Native{Enabled: true, MaxRequest: 16 << 20},
		Mapping:        defaultMapping(),
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},

		Identity:     Identity{Failures: Failures{Allowed: 10, Window: time.Minute, Block: time.Minute}},
		TLS:          TLS{ClientAuth: ClientNone, MinVersion: tls.VersionTLS12},
		Compress:     CompressFast,
		DiskFreeMark: 512 << 20,
		Log:          Log{Level: slog.LevelInfo},
		Swagger:      true,
	}
	c.policies = c.mustPolicies()
	return c
}

// Policies gives the policies and rules that the metrics ask for, and what is doubtful about them.
func (c *Config) Policies() (*policy.Set, []Warning) { return c.policies, c.metricWarnings }

// SetMetrics replaces the metrics, for a program that has no file. It panics if a metric is not one that a file could name.
func (c *Config) SetMetrics(metrics []policy.ClusterCockpitMetric, open bool) {
	c.Metrics, c.AnyMetric = metrics, open
	c.policies = c.mustPolicies()
}

// PeerFiles says whether the directory of cc-metric-store's checkpoints holds anything, so that a line at start can point to
// the import.
func (c *Config) PeerFiles() bool {
	if c.PeerDirectory == "" {
		return false
	}
	f, err := os.Open(c.PeerDirectory)
	if err != nil {
		return false
	}
	defer f.Close()
	names, _ := f.Readdirnames(1)
	return len(names) > 0
}
