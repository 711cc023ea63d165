//go:build e2e

package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"granary/compat/hawkular/hawkulartest"
)

// hawkularAdmin is the admin token of the services of the dialect. The configuration knows its hash alone.
const hawkularAdmin = "of-the-administrators"

// serveHawkular starts a server in one of the two modes, with what may be configured beside it.
func serveHawkular(t *testing.T, strict bool, more object) *process {
	t.Helper()
	hash := sha256.Sum256([]byte(hawkularAdmin))
	dialect := object{"strict": strict, "admin-token": object{"sha256": hex.EncodeToString(hash[:])}, "cors-origins": []string{"http://test.hawkular.org"}}
	for name, v := range more {
		dialect[name] = v
	}
	dir := t.TempDir()
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"compat": object{"hawkular": dialect}}})
	return serve(t, config, filepath.Join(dir, "data"))
}

// TestHawkularVectors plays the vectors of the dialect to the program, in both modes. What it answers in the default mode is held
// against the OpenAPI document too; that of the strict mode has fewer bodies, as the document says in words, and some clients send
// more than it lets them.
func TestHawkularVectors(t *testing.T) {
	for _, mode := range []struct {
		strict bool
		files  []string
		player hawkulartest.Player
	}{
		{true, []string{"expectations", "contract", "clients"}, hawkulartest.Player{JSON: true}},
		{false, []string{"mohawk", "default", "rules", "clients"}, hawkulartest.Player{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}},
	} {
		p := serveHawkular(t, mode.strict, nil)
		play := mode.player
		play.Base, play.Admin = p.url+"/hawkular/metrics", hawkularAdmin
		played := 0
		for _, file := range mode.files {
			play.Client = nil
			if !mode.strict && file != "clients" {
				play.Client = p.client
			}
			cases, err := hawkulartest.Load(filepath.FromSlash("../../../compat/hawkular/testdata/" + file + ".json"))
			must(t, err)
			for i, c := range cases {
				play.Now = time.Now().Add(-20 * time.Millisecond)
				faults, err := play.Play(t.Context(), c, fmt.Sprintf("of-%s-%d", file, i))
				must(t, err)
				for _, f := range faults {
					t.Errorf("strict %v: %s: %v", mode.strict, file, f)
				}
				played += len(c.Steps)
			}
		}
		t.Logf("strict %v: %d requests", mode.strict, played)
		p.stop()
	}
}
