package config

import (
	"slices"
	"testing"
	"time"
)

func TestUsage(t *testing.T) {
	u := Default().Usage
	if !slices.Equal(u.NodeTags, []string{"hostname", "host", "instance"}) || u.Grace != 5*time.Minute || u.Keep != 400*24*time.Hour {
		t.Errorf("%+v", u)
	}
	c, _, err := load(t, files{"config.yaml": `granary: {usage: {node-tags: [], user-tags: [owner], grace: 1m, keep: 30d}}`}, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	if u := c.Usage; len(u.NodeTags) != 0 || !slices.Equal(u.UserTags, []string{"owner"}) || !slices.Equal(u.ClusterTags, []string{"cluster"}) ||
		u.Grace != time.Minute || u.Keep != 30*24*time.Hour {
		t.Errorf("%+v", u)
	}
	for _, bad := range []string{"node-tags: hostname", "node-tags: [1]", `user-tags: [""]`, "grace: 0s", "keep: 1h"} {
		if _, _, err := load(t, files{"config.yaml": "granary: {usage: {" + bad + "}}"}, Overrides{}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
