package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"granary/compat/hawkular"
	"granary/compat/hawkular/hawkulartest"
)

// TestHawkularVectors plays what Hawkular's own tests expect and what its contract says in the strict mode, and what Mohawk has
// published and our own additions to it in the default mode. Each case has a tenant of its own.
func TestHawkularVectors(t *testing.T) {
	for _, mode := range []struct {
		strict bool
		files  []string
		player hawkulartest.Player
	}{
		{true, []string{"expectations", "contract", "clients"}, hawkulartest.Player{JSON: true}},
		// curl -d declares a form, and so does everybody who followed the examples.
		{false, []string{"mohawk", "default", "rules", "clients"}, hawkulartest.Player{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}},
	} {
		s := running(t, configured(t, fmt.Sprintf(`
granary:
  compat:
    hawkular: {strict: %v, admin-token: {token: %s}, cors-origins: ["http://test.hawkular.org"]}`, mode.strict, ofAdmins)))
		at := httptest.NewServer(s.http.Handler)
		defer at.Close()
		p := mode.player
		p.Base, p.Admin = at.URL+hawkular.Prefix, ofAdmins
		for _, file := range mode.files {
			cases, err := hawkulartest.Load("../../../compat/hawkular/testdata/" + file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range cases {
				t.Run(file+"/"+c.Name, func(t *testing.T) {
					// A range ends before now, and has what was written before it was asked for.
					p.Now = time.Now().Add(-20 * time.Millisecond)
					faults, err := p.Play(t.Context(), c, fmt.Sprintf("of-%s-%d", file, i))
					if err != nil {
						t.Error(err)
					}
					for _, f := range faults {
						t.Error(f)
					}
				})
			}
		}
	}
}
