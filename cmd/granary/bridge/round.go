package bridge

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"granary/cmd/granary/bridge/source"
	"granary/cmd/granary/bridge/spool"
	"granary/cmd/granary/config"
)

// maxBody bounds the bytes of one body. The spool and Granary take more.
const maxBody = spool.MaxBody / 2

// Round is what one round gave.
type Round struct {
	At      int64    // seconds since 1970 UTC
	Bodies  [][]byte // line protocol, whole lines
	Lines   int
	Queries int
	Failed  int // queries without an answer
}

// job is one query to one source.
type job struct {
	metric *config.BridgeMetric
	source string
	answer *source.Answer
	err    error
}

// where tells a job from the others of a round.
func (j *job) where() string { return j.metric.Name + "\x00" + j.source + "\x00" + j.metric.Query }

// ask carries out the round of a time. It is an error only if ctx ends.
func (b *Bridge) ask(ctx context.Context, at int64) (*Round, error) {
	jobs := b.jobs()
	var group errgroup.Group
	group.SetLimit(b.cfg.Concurrency)
	for i := range jobs {
		group.Go(func() error {
			j := &jobs[i]
			q := source.Query{Text: j.metric.Query, Language: j.metric.Language, Column: j.metric.Column, Used: used(j.metric)}
			if !b.cfg.OwnTime {
				q.Time = at
			}
			j.answer, j.err = b.sources[j.source].Query(ctx, q)
			return nil
		})
	}
	_ = group.Wait() // each job has its own error
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &Round{At: at, Queries: len(jobs)}
	s := &shaper{at: at, ownTime: b.cfg.OwnTime, seen: map[string]bool{}}
	for i := range jobs {
		if !b.shape(s, &jobs[i]) {
			r.Failed++
		}
	}
	r.Lines = len(s.lines)
	r.Bodies = bodies(s.lines, b.cfg.Granary.Lines)
	b.counts.rounds.Inc()
	b.counts.lastRound.Set(float64(at))
	b.lastRound.Store(at)
	return r, nil
}

func (b *Bridge) jobs() []job {
	var jobs []job
	for i := range b.cfg.Metrics {
		for _, name := range b.cfg.Metrics[i].Sources {
			jobs = append(jobs, job{metric: &b.cfg.Metrics[i], source: name})
		}
	}
	return jobs
}

// used are the labels that make tags of a metric.
func used(m *config.BridgeMetric) []string {
	return append(slices.Sorted(maps.Values(m.Labels)), m.Host.Label)
}

// shape makes lines of the answer to a job, and says whether there was one.
func (b *Bridge) shape(s *shaper, j *job) bool {
	log := b.log.With("metric", j.metric.Name, "source", j.source)
	if j.err != nil {
		b.counts.queries.WithLabelValues(j.metric.Name, j.source, "failed").Inc()
		log.Error("a query failed", "error", j.err)
		return false
	}
	b.counts.queries.WithLabelValues(j.metric.Name, j.source, "answered").Inc()
	b.sayWarnings(log, j)
	skipped, examples := maps.Clone(j.answer.Skipped), map[string]string{}
	if skipped == nil {
		skipped = map[string]int{}
	}
	lines := 0
	for i := range j.answer.Samples {
		reason, about := s.add(j.metric, &j.answer.Samples[i])
		if reason == "" {
			lines++
			continue
		}
		if skipped[reason]++; examples[reason] == "" {
			examples[reason] = about
		}
	}
	b.counts.samples.WithLabelValues(j.metric.Name).Add(float64(lines))
	if len(j.answer.Samples) == 0 && len(skipped) == 0 {
		skipped["empty"] = 1
		examples["empty"] = "the answer has no series"
	}
	b.saySkipped(j, skipped, examples)
	return true
}

// sayWarnings logs what the source warns of, when it is other than in the round before.
func (b *Bridge) sayWarnings(log *slog.Logger, j *job) {
	where, text := j.where(), strings.Join(j.answer.Warnings, "; ")
	if text != "" && b.warned[where] != text {
		log.Warn("the source warns", "text", text)
	}
	b.warned[where] = text
}

// saySkipped counts what gave no line, and logs it when its number is another than in the round before.
func (b *Bridge) saySkipped(j *job, skipped map[string]int, examples map[string]string) {
	where := j.where()
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		b.counts.skipped.WithLabelValues(j.metric.Name, reason).Add(float64(skipped[reason]))
		if b.said[where][reason] != skipped[reason] {
			b.log.Warn("samples are left out", "metric", j.metric.Name, "source", j.source, "reason", reason, "samples", skipped[reason], "example", examples[reason])
		}
	}
	b.said[where] = skipped
}

// bodies joins lines, of which none is cut, to bodies of at most so many.
func bodies(lines []string, most int) (out [][]byte) {
	var body []byte
	n := 0
	for _, line := range lines {
		if n == most || n > 0 && len(body)+len(line) > maxBody {
			out, body, n = append(out, body), nil, 0
		}
		body = append(body, line...)
		n++
	}
	if n > 0 {
		out = append(out, body)
	}
	return out
}
