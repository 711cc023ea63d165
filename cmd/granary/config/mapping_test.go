package config

import (
	"strings"
	"testing"

	"granary/measures/ingest/mapping"
)

func TestMappingFaults(t *testing.T) {
	for rule, want := range map[string]string{
		`{"name": "a"}`: `granary.mapping.rules[0].from: expected at least one series`,
		`{"name": "a", "from": [{"metric": "m", "scale": 0}]}`:               `granary.mapping.rules[0].from[0].scale: expected a number other than 0, or a fraction such as "1/1048576", found 0`,
		`{"name": "a", "from": [{"metric": "m", "scale": "1/0"}]}`:           `from[0].scale: expected a number other than 0`,
		`{"name": "a", "from": [{"metric": "m", "labels": {"l": 1}}]}`:       `from[0].labels.l: expected a text, found 1`,
		`{"name": "a", "from": [{"metric": "m", "labels": {"l": "~("}}]}`:    `from[0].labels.l: expected a regular expression (RE2)`,
		`{"name": "a", "from": [{"metric": "m", "rates": true}]}`:            `did you mean rate?`,
		`{"name": "a", "from": [{"metric": "m"}], "combine": "mean"}`:        `combine: expected one of sum, avg, min, max, found "mean"`,
		`{"name": "a", "from": [{"metric": "m"}], "by": ["x"]}`:              `by: expected combine beside it, found "x"`,
		`{"name": "a", "from": [{"metric": "m"}], "dialects": ["graphite"]}`: `no samples come by a dialect "graphite"; there are clustercockpit, influx, prometheus`,
		`7`: `granary.mapping.rules[0]: expected an object, found 7`,
	} {
		f := files{"c.json": `{"granary": {"mapping": {"rules": [` + rule + `]}}}`}
		_, warns, err := Load("c.json", Options{ReadFile: f.read})
		said := ""
		if err != nil {
			said = err.Error()
		}
		for _, w := range warns {
			said += w.String()
		}
		if !strings.Contains(said, want) {
			t.Errorf("%s: %s", rule, said)
		}
	}
}

// TestMappingTable: a rule takes the place of the default ones for its metric.
func TestMappingTable(t *testing.T) {
	f := files{"c.json": `{"granary": {"mapping": {"rules": [{"name": "cpu_load", "from": [{"metric": "m", "scale": "1/4"}]}]}}}`}
	c, _, err := Load("c.json", Options{ReadFile: f.read})
	if err != nil {
		t.Fatal(err)
	}
	var own []mapping.Rule
	for _, r := range c.Mapping.Table() {
		if r.Name == "cpu_load" {
			own = append(own, r)
		}
	}
	if len(own) != 1 || own[0].From[0].Scale != 0.25 || len(c.Mapping.Table()) != len(mapping.Defaults())-1 {
		t.Errorf("%+v", c.Mapping.Table())
	}
	if c.Mapping.Defaults = false; len(c.Mapping.Table()) != 1 {
		t.Error("the defaults hold nevertheless")
	}
}
