package config

import (
	"crypto/tls"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"
)

// readGranary reads the section of our own, and returns granary.archive.
func (c *Config) readGranary(s *section, o Options) (archive string) {
	s.address("listen", &c.Listen, false)
	n := s.get("data")
	if n != nil && (n.kind != text || n.text == "") {
		s.wrong(n, "data", "the path of a directory")
	} else if n != nil {
		c.Data = n.text
	}
	s.text("archive", &archive, "none")
	var auth string
	s.text("auth", &auth, "none")
	c.Auth.Open = auth == "none"
	s.size("memory-cap", &c.MemoryCap, 0, math.MaxInt64)
	compress := string(c.Compress)
	s.text("compress", &compress, string(CompressOff), string(CompressFast), string(CompressBest))
	c.Compress = Compress(compress)
	s.size("disk-free-mark", &c.DiskFreeMark, 0, math.MaxInt64)

	c.readPolicies(s.sub("policies"))
	c.readRules(s)
	c.readTenants(s.sub("tenants"))
	c.readStorage(s)
	c.readLimits(s, o)
	c.readBackend(s.sub("backend"), o)
	c.readIdentity(s.sub("identity"))

	compat := s.sub("compat")
	c.readClusterCockpit(compat.sub("clustercockpit"))
	c.readCompatNATS(compat.sub("nats"))
	c.readCoopr(compat.sub("coopr"))
	c.readGnocchi(compat.sub("gnocchi"))
	c.readHawkular(compat.sub("hawkular"))
	c.readRemoteWrite(compat.sub("prometheus"))
	c.readInflux(compat.sub("influx"))
	compat.end(true)

	q := s.sub("queue")
	q.size("bytes", &c.Queue.Bytes, 1<<20, math.MaxInt64)
	q.duration("wait", &c.Queue.Wait, 0)
	q.integer("workers", &c.Queue.Workers, 0, 1<<10)
	q.end(true)

	c.readUsage(s.sub("usage"))
	c.Mapping.read(s.sub("mapping"))

	native := s.sub("native")
	native.bool("enabled", &c.Native.Enabled)
	native.size("max-request", &c.Native.MaxRequest, 1<<10, 1<<30)
	native.end(true)
	s.networks("trusted-proxies", &c.TrustedProxies)
	swagger := s.sub("swagger")
	swagger.bool("enabled", &c.Swagger)
	swagger.end(true)
	cors := s.sub("cors")
	cors.origins("origins", &c.Origins)
	cors.end(true)

	log := s.sub("log")
	if l := log.get("level"); l != nil {
		level, ok := ParseLevel(l.text)
		if l.kind != text || !ok {
			log.wrong(l, "level", "one of debug, info, warn, error")
		} else {
			c.Log.Level = level
		}
	}
	format := "text"
	log.text("format", &format, "text", "json")
	c.Log.JSON = format == "json"
	log.bool("access", &c.Log.Access)
	log.end(true)

	audit := s.sub("audit")
	audit.text("file", &c.AuditFile)
	audit.end(true)

	c.readTLS(s.sub("tls"))

	admin := s.sub("admin")
	admin.address("listen", &c.AdminListen, true)
	admin.end(true)
	s.end(true)
	return archive
}

func (c *Config) readTLS(s *section) {
	t := &c.TLS
	s.text("client-ca", &t.ClientCA)
	auth := string(ClientNone)
	if t.ClientCA != "" {
		auth = string(ClientRequest)
	}
	s.text("client-auth", &auth, string(ClientNone), string(ClientRequest), string(ClientRequire))
	t.ClientAuth = ClientAuth(auth)
	version := "1.2"
	s.text("min-version", &version, "1.2", "1.3")
	if version == "1.3" {
		t.MinVersion = tls.VersionTLS13
	}
	s.end(true)
	if t.ClientAuth != ClientNone && t.ClientCA == "" {
		s.fault("client-auth", "expected client-ca beside it, the file of the authorities of clients")
	}
}

// ParseLevel reads the name of a log level.
func ParseLevel(s string) (slog.Level, bool) {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.ToLower(l.String()) == s {
			return l, true
		}
	}
	return 0, false
}

func (c *Config) readTenants(s *section) {
	s.tenant("default", &c.Tenants.Default)
	create := "implicit"
	s.text("create", &create, "implicit", "explicit")
	c.Tenants.Implicit = create == "implicit"
	s.integer("max", &c.Tenants.Max, 0, math.MaxInt32)
	s.integer("create-rate", &c.Tenants.CreateRate, 0, 1_000_000)
	s.integer("create-burst", &c.Tenants.CreateBurst, 1, 1_000_000)
	s.end(true)
}

func (c *Config) readStorage(s *section) {
	j := s.sub("journal")
	sync := string(c.Journal.Sync)
	j.text("sync", &sync, string(SyncAlways), string(SyncInterval), string(SyncNever))
	c.Journal.Sync = Sync(sync)
	j.duration("interval", &c.Journal.Interval, time.Millisecond)
	j.end(true)

	p := s.sub("snapshot")
	p.duration("interval", &c.Snapshot.Interval, time.Second)
	p.size("journal-bytes", &c.Snapshot.JournalBytes, 1<<20, math.MaxInt64)
	p.end(true)
}

func (c *Config) readLimits(s *section, o Options) {
	l := s.sub("limits")
	c.readTenantLimits(l, o)
	l.end(true)

	t := s.sub("timeouts")
	t.duration("header", &c.Timeouts.Header, time.Millisecond, Unbounded)
	t.duration("read", &c.Timeouts.Read, time.Millisecond, Unbounded)
	t.duration("write", &c.Timeouts.Write, time.Millisecond, Unbounded)
	t.duration("idle", &c.Timeouts.Idle, time.Millisecond, Unbounded)
	if w := c.Timeouts.Write; t.n != nil && w > 0 && (c.Timeouts.Read < 0 || c.Timeouts.Read > w) {
		t.warn(t.n, Doubtful, "write", "%v is shorter than read; it counts from the end of the header, so a body that takes longer gets no answer", w)
	}
	t.end(true)

	c.Bounds.read(s.sub("bounds"))
}

func (c *Config) readBackend(s *section, o Options) {
	var file string
	s.secret("token", &c.Backend.Token)
	s.text("token-file", &file)
	s.end(true)
	switch {
	case file == "":
	case c.Backend.Token != "":
		s.r.errs = append(s.r.errs, &Error{s.n.file, s.n.line, join(s.path, "token-file"), "expected a token or a file that holds it, found both"})
	default:
		b, err := o.readFile(file)
		if err != nil {
			s.r.errs = append(s.r.errs, &Error{s.n.file, s.n.line, join(s.path, "token-file"), "expected a file that can be read: " + err.Error()})
			return
		}
		c.Backend.Token = Secret(strings.TrimSpace(string(b)))
	}
}

func (c *Config) readClusterCockpit(s *section) {
	cc := &c.ClusterCockpit
	s.bool("enabled", &cc.Enabled)
	s.tenantsBy("cluster-tenants", cc.Tenants)
	// The names that these had before other dialects came; those of granary.queue win.
	s.size("queue", &c.Queue.Bytes, 1<<20, math.MaxInt64)
	s.duration("queue-wait", &c.Queue.Wait, 0)
	s.size("max-answer", &cc.MaxAnswer, 1<<10, math.MaxInt64)
	s.integer("max-queries", &cc.MaxQueries, 1, math.MaxInt32)
	s.size("max-query-body", &cc.MaxQueryBody, 1<<10, 1<<30)
	s.end(true)
}

func (c *Config) readCompatNATS(s *section) {
	s.bool("enabled", &c.NATS.Enabled)
	s.size("batch", &c.NATS.BatchBytes, 1<<10, 1<<26)
	s.duration("batch-wait", &c.NATS.BatchWait, 0)
	s.integer("pending-messages", &c.NATS.PendingMessages, 1, math.MaxInt32)
	s.size("pending", &c.NATS.PendingBytes, 1<<16, math.MaxInt32)
	s.end(true)
}

// maxFile bounds a file of the configuration, in bytes.
const maxFile = 16 << 20

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f, name)
}
