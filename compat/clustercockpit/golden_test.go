package clustercockpit

import (
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"granary/api/edge"
	"granary/compat/clustercockpit/goldentest"
)

// TestGolden replays what a real cc-metric-store answered, if a recording is given by the environment.
func TestGolden(t *testing.T) {
	file := os.Getenv("GRANARY_GOLDEN")
	if file == "" {
		file = "../../../shared/golden/clustercockpit.jsonl"
		if _, err := os.Stat(file); err != nil {
			return // the recording is not part of the repository
		}
	}
	d, m := newTest(t, func(o *Options) { o.Now = time.Now })
	m.now = time.Now
	disp := edge.NewDispatcher(edge.DispatchOptions{})
	disp.Mount(Prefix, Name, d)
	disp.Mount("/", "landing", edge.Landing("test", nil, nil))
	s := httptest.NewServer(disp)
	defer s.Close()
	report, err := goldentest.Replay(t.Context(), s.URL, goldentest.Options{File: file, Differs: "testdata/golden-differs.txt", Now: time.Now(),
		Groups: []string{"routing", "write", "write-readback", "write-type", "write-time", "align", "query", "for-all-nodes", "free", "debug"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, diff := range report.Differences {
		// The words of a malformed line are those of the decoder of lines, which this test does without.
		if diff.Group != "write" || diff.Status != diff.GotStatus {
			t.Errorf("%v", diff)
		}
	}
	for _, diff := range report.Listed {
		t.Logf("%s: %v", diff.Meant, diff)
	}
	t.Logf("%d equal, %d differ as meant, listed but equal: %v", report.Equal, len(report.Listed), report.Stale)
}
