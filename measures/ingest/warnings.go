package ingest

import (
	"log/slog"
	"sync"
	"time"

	"granary/measures"
	"granary/measures/ingest/line"
)

// warnEvery is how much time passes between two warnings about the same thing.
const warnEvery = 10 * time.Second

// warnings logs what was not stored: at most one line in ten seconds for each dialect and cause, which tells how many
// there were since the last one and shows the latest example.
type warnings struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	open map[warnKey]*warning // under mu
}

type warnKey struct {
	dialect string
	cause   string // a reason's name, or "malformed"
}

type warning struct {
	last  time.Time // of the last message
	count int       // since then
}

func newWarnings(log *slog.Logger, now func() time.Time) *warnings {
	return &warnings{log: log, now: now, open: make(map[warnKey]*warning)}
}

// due counts n more cases and says whether to log now, and how many cases that is about.
func (w *warnings) due(k warnKey, n int) (count int, ok bool) {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.open[k]
	if x == nil {
		x = &warning{}
		w.open[k] = x
	}
	x.count += n
	if !x.last.IsZero() && now.Sub(x.last) < warnEvery {
		return 0, false
	}
	count, x.count, x.last = x.count, 0, now
	return count, true
}

func (w *warnings) ignored(dialect string, r measures.Reason, n int, b line.Bounds, at int, example string) {
	if count, ok := w.due(warnKey{dialect, r.String()}, n); ok {
		attrs := []any{"dialect", dialect, "reason", r.String(), "count", count, "line", at, "example", example}
		w.log.Warn("samples not stored", append(attrs, remedy(r, b)...)...)
	}
}

// remedy names the setting that would have let the samples in, and how far it reaches where it is a limit.
func remedy(r measures.Reason, b line.Bounds) []any {
	switch {
	case r == measures.TooOld && b.Past > 0:
		return []any{"limit", b.Past, "setting", "granary.bounds.past"}
	case r == measures.TooNew && b.Future > 0:
		return []any{"limit", b.Future, "setting", "granary.bounds.future"}
	case r == measures.UnknownMetric:
		return []any{"setting", "metrics"}
	}
	return nil
}

func (w *warnings) malformed(dialect string, n int, first *LineError) {
	if count, ok := w.due(warnKey{dialect, "malformed"}, n); ok {
		w.log.Warn("malformed lines", "dialect", dialect, "count", count, "error", first.Reason, "line", first.Line, "example", first.Text)
	}
}
