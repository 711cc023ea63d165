package checkpoint

import (
	"context"
	"fmt"
	"math"

	"granary/measures/ingest/lineout"
	"granary/metricdef"
)

// Sink takes line protocol in bodies of whole lines, with times in seconds.
type Sink interface {
	// WriteLines stores body and returns the number of samples that it did not want, by reason. An error ends the import;
	// whether the sink tries again before is its own affair. body is valid until the call returns.
	WriteLines(ctx context.Context, body []byte) (ignored map[string]int, err error)
}

// ImportOptions bound and watch an import. The zero value is fine.
type ImportOptions struct {
	// From leaves samples before this Unix second out; 0 takes all.
	From int64
	// BodyBytes is the size at which a body is sent; 0 means 256 KiB.
	BodyBytes int
	// Progress is called after every body, if set.
	Progress func(ImportReport)
}

// ImportReport says what an import found and what became of it.
type ImportReport struct {
	Report
	Bodies int
	Sent   int64 // samples sent to the sink
	Early  int64 // samples left out for ImportOptions.From
	// Ignored counts the samples that the sink did not want, by its reasons.
	Ignored map[string]int64
	// Unprintable names the runs that line protocol has no form for, up to 100; UnprintableSamples counts their samples.
	Unprintable        []Problem
	UnprintableSamples int64
}

const (
	maxUnprintable = 100
	maxKey         = 32 << 10 // half of the default limit on a line
)

// Import reads the checkpoint directory dir and writes every sample to sink, in the order of Walk. Writing the same
// directory twice stores the same samples again, in the same places. The report is right up to the error.
func Import(ctx context.Context, dir string, sink Sink, o ImportOptions) (ImportReport, error) {
	if o.BodyBytes <= 0 {
		o.BodyBytes = 256 << 10
	}
	im := importer{ctx: ctx, sink: sink, o: o, out: ImportReport{Ignored: map[string]int64{}}}
	report, err := Walk(ctx, dir, im.series)
	if err == nil {
		err = im.send()
	}
	im.out.Report = report
	return im.out, err
}

type importer struct {
	ctx  context.Context
	sink Sink
	o    ImportOptions
	body []byte
	key  []byte
	tags []metricdef.Tag
	sent int64 // samples in body
	out  ImportReport
}

func (im *importer) series(s *Series) error {
	var err error
	im.tags, err = appendTags(im.tags[:0], s)
	if err == nil {
		im.key, err = lineout.AppendSeries(im.key[:0], s.Metric, im.tags)
	}
	if err == nil && len(im.key) > maxKey {
		err = fmt.Errorf("its names have %d bytes in all, a server takes at most %d", len(im.key), maxKey)
	}
	if err != nil {
		im.unprintable(s, samples(s), err)
		return nil
	}
	var (
		lost  int64
		cause error
	)
	for i, v := range s.Values {
		if math.IsNaN(v) {
			continue
		}
		t := s.At(i)
		if im.o.From != 0 && t < im.o.From {
			im.out.Early++
			continue
		}
		before := len(im.body)
		im.body = append(im.body, im.key...)
		if im.body, err = lineout.AppendSample(im.body, v, t*1e9); err != nil {
			im.body = im.body[:before]
			lost, cause = lost+1, err
			continue
		}
		im.sent++
		if len(im.body) >= im.o.BodyBytes {
			if err := im.send(); err != nil {
				return err
			}
		}
	}
	if lost > 0 {
		im.unprintable(s, lost, cause)
	}
	return nil
}

func (im *importer) send() error {
	if len(im.body) == 0 {
		return nil
	}
	ignored, err := im.sink.WriteLines(im.ctx, im.body)
	if err != nil {
		return fmt.Errorf("writing body %d of %d samples: %w", im.out.Bodies+1, im.sent, err)
	}
	for reason, n := range ignored {
		im.out.Ignored[reason] += int64(n)
	}
	im.out.Bodies++
	im.out.Sent += im.sent
	im.body, im.sent = im.body[:0], 0
	if im.o.Progress != nil {
		im.o.Progress(im.out)
	}
	return nil
}

func (im *importer) unprintable(s *Series, n int64, err error) {
	im.out.UnprintableSamples += n
	if len(im.out.Unprintable) < maxUnprintable {
		where := fmt.Sprintf("cluster %q, host %q, levels %q, metric %q", s.Cluster, s.Host, s.Path, s.Metric)
		im.out.Unprintable = append(im.out.Unprintable, Problem{Path: where, Err: err})
	}
}

func samples(s *Series) (n int64) {
	for _, v := range s.Values {
		if !math.IsNaN(v) {
			n++
		}
	}
	return n
}

// appendTags appends the tags, sorted by name, that a sender would have used for s.
func appendTags(dst []metricdef.Tag, s *Series) ([]metricdef.Tag, error) {
	if len(s.Path) > 2 {
		return dst, fmt.Errorf("%d levels below the host, at most 2 have tags", len(s.Path))
	}
	dst = append(dst, metricdef.Tag{Name: "cluster", Value: s.Cluster}, metricdef.Tag{Name: "hostname", Value: s.Host})
	if len(s.Path) > 1 {
		stype, id := SplitSubLevel(s.Path[1])
		dst = append(dst, metricdef.Tag{Name: "stype", Value: stype})
		if id != "" {
			dst = append(dst, metricdef.Tag{Name: "stype-id", Value: id})
		}
	}
	if len(s.Path) > 0 {
		typ, id := SplitLevel(s.Path[0])
		dst = append(dst, metricdef.Tag{Name: "type", Value: typ})
		if id != "" {
			dst = append(dst, metricdef.Tag{Name: "type-id", Value: id})
		}
	}
	return dst, nil
}
