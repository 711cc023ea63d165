package config

import (
	"strings"
	"testing"
)

func TestGnocchiMethods(t *testing.T) {
	for list, want := range map[string]string{
		"[mean]": "mean", "['-mean']": "sum min max count std", "[+rate:last]": "sum mean min max count std rate:last", "[max, last]": "max last",
		"[]": "!expected a list with at least one method", "[nunique]": "!nunique: Gnocchi does not have it", "[avg]": `!aggregation method "avg"`, "mean": "!expected a list of texts",
		"[mean, '-mean']": "!expected a list with at least one method", "['99.9pct']": "!99.9pct: Gnocchi does not have it",
	} {
		c, _, err := load(t, files{"config.yaml": "granary: {compat: {gnocchi: {default-aggregation-methods: " + list + "}}}"}, Overrides{})
		if text, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), "granary.compat.gnocchi.default-aggregation-methods: "+text) {
				t.Errorf("%s: %v", list, err)
			}
			continue
		}
		var names []string
		if err == nil {
			for _, m := range c.Gnocchi.Methods {
				names = append(names, m.String())
			}
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%s: %v, %s", list, err, got)
		}
	}
	c, _, err := load(t, files{"config.yaml": "granary: {compat: {gnocchi: {default-aggregation-methods: ['*']}}}"}, Overrides{})
	if err != nil || len(c.Gnocchi.Methods) != 216 {
		t.Errorf("%v", err)
	}
}
