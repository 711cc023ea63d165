package export

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"granary/measures/ingest/lineout"
	"granary/metricdef"
	"granary/tenant"
)

// Source is the store to be printed.
type Source interface {
	// EachSeries calls fn for every definition, in the order of refs, until it answers an error, which is returned.
	EachSeries(fn func(metricdef.Definition) error) error
	// Derived are the tags that a series has by its label and its resource, beside those of its definition.
	Derived(ref metricdef.Ref) []metricdef.Tag
	// ReadRaw calls fn for the samples of a series in [from, to), times in nanoseconds since 1970 UTC, in the order of time,
	// until it answers an error, which is returned.
	ReadRaw(ctx context.Context, ref metricdef.Ref, from, to int64, fn func(t int64, v lineout.Value) error) error
}

// Selection says what is printed. The zero value, with To at math.MaxInt64, is everything.
type Selection struct {
	Tenant tenant.Num // 0: all
	// Metric is a pattern for the name, with * and ? as in file names, for which a slash is a character like any other;
	// empty means all.
	Metric string
	// Tags are what a series must have, among its identity tags, its plain tags, or those that it has by its resource.
	Tags     []metricdef.Tag
	From, To int64 // nanoseconds since 1970 UTC, To excluded
}

// Stats says what was printed.
type Stats struct {
	Series  int // with at least one sample
	Samples int64
	// Unprintable counts the samples that line protocol has no form for; First is the reason of the first of them.
	Unprintable int64
	First       error
}

// Write prints the selection. Stats are right up to the error.
func Write(ctx context.Context, src Source, w io.Writer, sel Selection) (Stats, error) {
	pattern := strings.ReplaceAll(sel.Metric, "/", slash)
	if _, err := path.Match(pattern, ""); err != nil {
		return Stats{}, fmt.Errorf("metric pattern %q: %w", sel.Metric, err)
	}
	e := exporter{src: src, sel: sel, pattern: pattern, w: bufio.NewWriterSize(w, 64<<10)}
	err := src.EachSeries(func(d metricdef.Definition) error { return e.series(ctx, d) })
	if err == nil {
		err = e.w.Flush()
	}
	return e.stats, err
}

// slash stands for a slash in patterns and names, as path.Match lets no wildcard pass one. It cannot occur in a name that
// can be printed.
const slash = "\x00"

type exporter struct {
	src     Source
	sel     Selection
	pattern string
	w       *bufio.Writer
	tags    []metricdef.Tag
	line    []byte
	stats   Stats
}

func (e *exporter) series(ctx context.Context, d metricdef.Definition) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	derived := e.src.Derived(d.Ref)
	if !e.selected(&d, derived) {
		return nil
	}
	e.tags = appendTags(e.tags[:0], &d, derived)
	key, nameless := lineout.AppendSeries(e.line[:0], d.Name, e.tags)
	printed := false
	err := e.src.ReadRaw(ctx, d.Ref, e.sel.From, e.sel.To, func(t int64, v lineout.Value) error {
		err := nameless
		if err == nil {
			e.line, err = v.Append(key, t)
		}
		if errors.Is(err, lineout.ErrUnprintable) {
			if e.stats.Unprintable++; e.stats.First == nil {
				e.stats.First = fmt.Errorf("series %s: %w", metricdef.AppendKey(nil, d.Name, d.Tags), err)
			}
			return nil
		}
		if !printed {
			printed = true
			e.stats.Series++
		}
		e.stats.Samples++
		_, err = e.w.Write(e.line)
		return err
	})
	if err != nil {
		return fmt.Errorf("series %s: %w", metricdef.AppendKey(nil, d.Name, d.Tags), err)
	}
	return nil
}

func (e *exporter) selected(d *metricdef.Definition, derived []metricdef.Tag) bool {
	if e.sel.Tenant != 0 && d.Tenant != e.sel.Tenant {
		return false
	}
	if e.pattern != "" {
		if ok, _ := path.Match(e.pattern, strings.ReplaceAll(d.Name, "/", slash)); !ok { // the pattern is checked
			return false
		}
	}
	for _, want := range e.sel.Tags {
		if !slices.Contains(d.Tags, want) && !slices.Contains(d.Plain, want) && !slices.Contains(derived, want) {
			return false
		}
	}
	return true
}

// appendTags appends the tags of a series sorted by name: those of its identity, those that are plain, the unit, and those that it has by
// its label and its resource.
func appendTags(dst []metricdef.Tag, d *metricdef.Definition, derived []metricdef.Tag) []metricdef.Tag {
	dst = append(dst, d.Tags...)
	add := func(t metricdef.Tag) {
		if !slices.ContainsFunc(dst, func(have metricdef.Tag) bool { return have.Name == t.Name }) {
			dst = append(dst, t)
		}
	}
	for _, t := range d.Plain {
		if t.Value != "" {
			add(t)
		}
	}
	if d.Unit != "" {
		add(metricdef.Tag{Name: "unit", Value: d.Unit})
	}
	for _, t := range derived {
		add(t)
	}
	slices.SortFunc(dst, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	return dst
}

// Everything is the selection of all series and all times.
func Everything() Selection { return Selection{From: math.MinInt64, To: math.MaxInt64} }
