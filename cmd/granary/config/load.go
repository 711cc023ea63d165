package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"granary/policy"
	"granary/tenant"
)

// Options are what Load needs of its surroundings. The zero value reads the file system.
type Options struct {
	// ReadFile reads a file; nil is the file system, bounded to 16 MiB a file.
	ReadFile func(name string) ([]byte, error)
	// Overrides win over the file.
	Overrides Overrides
	// keys, if not nil, is called for each key that is known.
	keys func(path string)
}

func (o Options) readFile(name string) ([]byte, error) {
	if o.ReadFile != nil {
		return o.ReadFile(name)
	}
	return readFile(name)
}

func readLimited(r io.Reader, name string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(b) > maxFile {
		return nil, fmt.Errorf("%s: has more than %d bytes", name, maxFile)
	}
	return b, err
}

// Overrides are the flags that win over the file; "" leaves what the file says.
type Overrides struct {
	Listen   string // host:port
	Data     string
	LogLevel string
}

// Load reads the configuration. A path of "" gives Default with the overrides. All faults are reported at once, joined by
// errors.Join; each is an *Error. What a file with faults is warned of beside them is returned too.
func Load(path string, o Options) (*Config, []Warning, error) {
	c := Default()
	c.Path = path
	r := &reader{keys: o.keys}
	root, err := c.readTree(r, path, o)
	if err != nil {
		return nil, nil, err
	}

	top := r.section(root, "")
	c.readMain(top.sub("main"))
	before := len(r.warns)
	c.readMetrics(top.sub("metrics"))
	c.metricWarnings = slices.Clone(r.warns[before:])
	metricStore := top.get("metric-store")
	c.readMetricStore(r.section(metricStore, "metric-store"))
	c.readNATS(top.sub("nats"))
	archive := c.readGranary(top.sub("granary"), o)
	c.refuseArchive(r, metricStore, archive)
	refuseOldLayout(r, top)
	refuseMohawk(r, top)
	top.end(false)
	if len(c.NATS.Subscriptions) > 0 && c.NATS.Address == "" {
		n := metricStore.find("nats-subscriptions")
		top.warn(n, Doubtful, "metric-store.nats-subscriptions", "nats.address is missing, so nothing is subscribed to")
	}
	c.override(r, o.Overrides)
	r.sortWarnings()
	if err := r.err(); err != nil {
		return nil, r.warns, err
	}
	if c.policies, err = c.makePolicies(); err != nil {
		n := root.find("granary") // nothing else brings policies together that do not fit
		return nil, nil, &Error{n.file, n.line, "granary", err.Error()}
	}
	return c, r.warns, nil
}

// override puts the flags into force. Their faults name the flag.
func (c *Config) override(r *reader, o Overrides) {
	c.overrides = o
	flags := &node{kind: object, file: "command line"}
	for _, f := range []struct{ key, value string }{{"--listen", o.Listen}, {"--data", o.Data}, {"--log-level", o.LogLevel}} {
		if f.value != "" {
			flags.members = append(flags.members, member{key: f.key, value: &node{kind: text, text: f.value, file: flags.file}})
		}
	}
	keys := r.keys
	r.keys = nil
	s := r.section(flags, "")
	s.address("--listen", &c.Listen, false)
	s.text("--data", &c.Data)
	if n := s.get("--log-level"); n != nil {
		level, ok := ParseLevel(n.text)
		if !ok {
			s.wrong(n, "--log-level", "one of debug, info, warn, error")
		}
		c.Log.Level = level
	}
	r.keys = keys
}

// sectionNames are the sections that may be given, and may lie in a file of their own.
var sectionNames = []string{"main", "metrics", "nats", "granary"}

// readTree reads the file and replaces each "X-file" by the section X that it holds.
func (c *Config) readTree(r *reader, path string, o Options) (*node, error) {
	if path == "" {
		return nil, nil
	}
	data, err := o.readFile(path)
	if err != nil {
		return nil, &Error{File: path, Text: "expected a file that can be read: " + reason(err)}
	}
	c.Files = []string{path}
	root, err := parse(path, data)
	if err != nil || root == nil {
		return nil, err
	}
	if root.kind != object {
		// A file in TOML, as Mohawk may have one, is a text to YAML. It is not shown, since there may be a secret in it.
		return nil, &Error{path, root.line, "", "expected an object, in JSON or YAML, with the sections main, metrics, metric-store, nats, granary, found " + kindName(root.kind)}
	}
	kept := root.members[:0]
	for _, m := range root.members {
		name, include := strings.CutSuffix(m.key, "-file")
		if !include || !slices.Contains(sectionNames, name) {
			kept = append(kept, m)
			continue
		}
		switch {
		case root.find(name) != nil:
			r.errs = append(r.errs, &Error{path, m.line, m.key, fmt.Sprintf("expected the section %s or a file that holds it, found both", name)})
			continue
		case m.value.kind != text || m.value.text == "":
			r.wrong(m.value, m.key, "the path of a file")
			continue
		}
		content, file, err := readInclude(path, m.value.text, o)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				err = &Error{path, m.line, m.key, "expected a file that can be read: " + reason(err)}
			}
			r.errs = append(r.errs, err)
			continue
		}
		c.Files = append(c.Files, file)
		if content == nil {
			content = &node{kind: null, file: file, line: 1}
		}
		kept = append(kept, member{name, content, m.line})
	}
	root.members = kept
	return root, nil
}

// readInclude reads an included file. A relative path counts from the working directory, as for cc-metric-store, and if
// nothing is there from the directory of the file that names it.
func readInclude(from, name string, o Options) (*node, string, error) {
	data, err := o.readFile(name)
	if errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(name) {
		beside := filepath.Join(filepath.Dir(from), name)
		if data, err2 := o.readFile(beside); err2 == nil {
			n, err := parse(beside, data)
			return n, beside, err
		}
	}
	if err != nil {
		return nil, "", err
	}
	n, err := parse(name, data)
	return n, name, err
}

// reason is the error without the path, which stands before it.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Path + ": " + p.Err.Error()
	}
	return err.Error()
}

// Reloaded is what comes into force while the service runs.
type Reloaded struct {
	// Policies are those of the metrics, granary.policies and granary.rules, and Hawkular's.
	Policies *policy.Set
	Mapping  Mapping
}

// Reload reads the file of c again. Nothing of the file but what is Reloaded comes into force before a restart; if anything else has
// changed, a warning says so. c is left as it is. After an error what was in force stays.
func (c *Config) Reload(o Options) (Reloaded, []Warning, error) {
	if c.Path == "" {
		s, _ := c.Policies()
		return Reloaded{s, c.Mapping}, nil, nil
	}
	o.Overrides = c.overrides
	next, _, err := Load(c.Path, o)
	if err != nil {
		return Reloaded{}, nil, err
	}
	s, warns := next.Policies()
	if !sameButMetrics(c, next) {
		warns = append(slices.Clip(warns), Warning{Doubtful, c.Path, 0, "", "other settings than those of the metrics and the mapping have changed too; they take effect at the next start"})
	}
	return Reloaded{s, next.Mapping}, warns, nil
}

// sameButMetrics compares all that a reload does not change.
func sameButMetrics(a, b *Config) bool {
	strip := func(c *Config) Config {
		s := *c
		s.Metrics, s.AnyMetric, s.Retention, s.Files = nil, false, 0, nil
		s.OwnPolicies, s.OwnRules, s.Hawkular.Retention, s.Mapping = nil, nil, 0, Mapping{}
		s.policies, s.metricWarnings, s.tenantOverrides = nil, nil, tenant.Overrides{}
		return s
	}
	x, y := strip(a), strip(b)
	return bytes.Equal(x.Auth.ClusterCockpitKey, y.Auth.ClusterCockpitKey) && reflect.DeepEqual(x, y)
}
