package journal_test

import (
	"testing"
	"time"

	"granary/measures/journal"
	"granary/measures/journal/journaltest"
)

func TestConformance(t *testing.T) {
	for _, mode := range []journal.SyncMode{journal.Always, journal.Interval, journal.Never} {
		t.Run(mode.String(), func(t *testing.T) {
			journaltest.Run(t, func(t *testing.T) journaltest.Open {
				dir := t.TempDir()
				return func() journal.Log {
					l, rec, err := journal.Open(dir, journal.Options{Sync: mode, Interval: time.Millisecond, Partition: 3, Quarantine: dir + "/q"})
					if err != nil {
						t.Fatal(err)
					}
					if len(rec.Cut)+len(rec.Damaged) > 0 {
						t.Errorf("recovery after a clean end: %+v", rec)
					}
					return l
				}
			})
		})
	}
}
