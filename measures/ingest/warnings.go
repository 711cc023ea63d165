package ingest

import (
	"log/slog"
	"sync"
	"time"

	"granary/measures"
	"granary/measures/ingest/line"
	"granary/tenant"
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

func (w *warnings) ignored(dialect string, r measures.Reason, n int, remedy []any, at int, example string) {
	if count, ok := w.due(warnKey{dialect, r.String()}, n); ok {
		attrs := []any{"dialect", dialect, "reason", r.String(), "count", count}
		if at > 0 {
			attrs = append(attrs, "line", at, "example", example)
		}
		w.log.Warn("samples not stored", append(attrs, remedy...)...)
	}
}

// remedy names the setting that would have let the samples in, and how far it reaches where it is a limit. limited has the tenant of
// each reason that comes from a limit of tenants.
func (w *Writer) remedy(r measures.Reason, b line.Bounds, limited *[measures.NumReasons]tenant.Num) []any {
	switch number := r.Limit(); {
	case r == measures.TooOld && b.Past > 0:
		return []any{"limit", b.Past.String(), "setting", "granary.bounds.past"}
	case r == measures.TooNew && b.Future > 0:
		return []any{"limit", b.Future.String(), "setting", "granary.bounds.future"}
	case r == measures.UnknownMetric:
		return []any{"setting", "metrics"}
	case number != 0:
		f := tenant.LimitNumbered(number)
		attrs := []any{"setting", f.Setting()}
		if num := limited[r]; num != 0 && w.tenants != nil {
			l := w.tenants.Standing(num).Limits()
			attrs = append(attrs, "tenant", w.tenants.ID(num), "limit", f.Value(*f.Of(l)))
		}
		return attrs
	}
	return nil
}

func (w *warnings) malformed(dialect string, n int, first *LineError) {
	if count, ok := w.due(warnKey{dialect, "malformed"}, n); ok {
		w.log.Warn("malformed lines", "dialect", dialect, "count", count, "error", first.Reason, "line", first.Line, "example", first.Text)
	}
}
