package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"granary/api/native"
	"granary/compat/clustercockpit"
	"granary/compat/hawkular"
	"granary/compat/influx"
	"granary/compat/prometheus"
	"granary/policy"
)

// TestMohawksFile says of each key of a file that was Mohawk's what stands here instead.
func TestMohawksFile(t *testing.T) {
	const file = `storage: memory
options: "granularity=30s&retention=1d"
default-tenant: _ops
Alerts-Server: "http://127.0.0.1:9099/append"
alerts:
  - id: low memory
    metrics: [free_memory]
    alert-if-lower-than: 2000
unheard-of: 1
`
	c, warns, err := load(t, files{"config.yaml": file}, Overrides{})
	if err != nil || len(c.Hawkular.Alerts.Rules) != 0 {
		t.Fatal(err, c)
	}
	var got []string
	for _, w := range warns {
		got = append(got, w.String())
	}
	for i, want := range []string{
		"config.yaml:1: storage: is a key of Mohawk's, which is not read; here it is granary.data",
		"config.yaml:2: options: is a key of Mohawk's, which is not read; here it is granary.compat.hawkular.retention",
		"config.yaml:3: default-tenant: is a key of Mohawk's, which is not read; here it is granary.tenants.default",
		"config.yaml:4: Alerts-Server: is a key of Mohawk's, which is not read; here it is granary.compat.hawkular.alerts.server",
		"config.yaml:5: alerts: is a key of Mohawk's, which is not read; here it is granary.compat.hawkular.alerts.rules",
		"config.yaml:9: unheard-of: unknown key; expected one of main, metrics, metric-store, nats, granary\n",
	} {
		if i >= len(got) || !strings.HasPrefix(got[i]+"\n", want) {
			t.Errorf("%q, want %s", got, want)
		}
	}
	if _, _, err := load(t, files{"config.json": "bearer-auth = '0123456789abcdef'\n"}, Overrides{}); err == nil || strings.Contains(err.Error(), "0123") {
		t.Errorf("TOML: %v", err)
	}
	for _, key := range []string{"bearer-auth: 0123456789abcdef", "basic-auth: 'jack:secret'", "Bearer-Auth: 0123456789abcdef"} {
		_, warns, err := load(t, files{"config.yaml": key + "\nport: 8080"}, Overrides{})
		if len(warns) != 1 || !strings.HasPrefix(warns[0].String(), "config.yaml:2: port: is a key of Mohawk's, which is not read; here it is granary.listen") {
			t.Errorf("%s: %q", key, warns)
		}
		if err == nil || !strings.Contains(err.Error(), "without it nobody would be asked who they are; here it is granary.identity.") || strings.Contains(err.Error(), "0123") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestMohawksKeys have their like among the keys that there are.
func TestMohawksKeys(t *testing.T) {
	known := make(map[string]bool)
	if _, _, err := Load("c.json", Options{
		ReadFile: func(string) ([]byte, error) { return []byte(`{}`), nil },
		keys:     func(path string) { known[path] = true },
	}); err != nil {
		t.Fatal(err)
	}
	for key, here := range mohawkKeys {
		for word := range strings.FieldsFuncSeq(here, func(r rune) bool { return strings.ContainsRune(" ,()", r) }) {
			if strings.Contains(word, ".") && !known[word] {
				t.Errorf("%s: there is no %s", key, word)
			}
		}
	}
}

// TestMohawksFlagsOnPage: the page about Mohawk's clients says of each key, which is a flag of Mohawk's too, what stands here instead.
func TestMohawksFlagsOnPage(t *testing.T) {
	page, err := os.ReadFile(filepath.FromSlash("../../../docs/hawkular.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Mohawk's command line\n")
	table, _, _ = strings.Cut(table, "\n#")
	for key := range mohawkKeys {
		if key != "alerts" && key != "backend" && !strings.Contains(table, "`--"+key+"`") { // the two are no flags
			t.Errorf("the page has no --%s", key)
		}
	}
}

// TestUnknownDialects warns of a rule that chooses for nothing.
func TestUnknownDialects(t *testing.T) {
	if want := []string{policy.Gnocchi, hawkular.Name, influx.Name, native.Name, prometheus.Name}; !slices.Equal(dialects, want) || policy.ClusterCockpit != clustercockpit.Name {
		t.Errorf("dialects %q, want %q", dialects, want)
	}
	for list, want := range map[string]string{
		"[mohawk]": `config.yaml:1: granary.rules[0].dialects: there is no dialect "mohawk", so the rule chooses for none of its metrics; there are gnocchi, hawkular, influx, native and prometheus`,
		"[hawkular, native, gnocchi, influx, prometheus]": "",
		"[]": "",
	} {
		_, warns, err := load(t, files{"config.yaml": "granary: {rules: [{name: r, pattern: 'x*', policy: low, dialects: " + list + "}]}"}, Overrides{})
		got := ""
		for _, w := range warns {
			got += w.String()
		}
		if err != nil || got != want {
			t.Errorf("%s: %v, %q, want %q", list, err, got, want)
		}
	}
}
