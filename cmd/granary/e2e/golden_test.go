//go:build e2e

package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"granary/compat/clustercockpit/goldentest"
)

// mostDifferences is how many recorded answers may differ on purpose: more would be a sign of something else.
const mostDifferences = 70

// TestGolden replays to the program what was recorded with a real cc-metric-store under the same configuration.
func TestGolden(t *testing.T) {
	file := os.Getenv("GRANARY_GOLDEN")
	if file == "" {
		file = filepath.FromSlash("../../../../shared/golden/clustercockpit.jsonl")
		if _, err := os.Stat(file); err != nil {
			t.Skipf("the recording is not part of the repository: GRANARY_GOLDEN is not set and there is none at %s", file)
		}
	}
	p := serve(t, filepath.Join("testdata", "cc-metric-store.json"), filepath.Join(t.TempDir(), "data"), "-dev")
	report, err := goldentest.Replay(t.Context(), p.url, goldentest.Options{
		File: file, Differs: filepath.FromSlash("../../../compat/clustercockpit/testdata/golden-differs.txt"), Now: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.alive()
	for _, d := range report.Differences {
		t.Errorf("not listed: %v", d)
	}
	if n := len(report.Listed); n > mostDifferences {
		t.Errorf("%d answers differ on purpose, at most %d may", n, mostDifferences)
	}
	t.Logf("%d equal, %d differ on purpose, %d not replayed; listed but equal: %v", report.Equal, len(report.Listed), report.Skipped, report.Stale)
	p.stop()
}
