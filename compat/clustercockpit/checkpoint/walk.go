package checkpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxSnapshot bounds a snapshot file, which is read whole. A host of 1,000 series at 1 s has one of 170 MB in 12 hours.
const maxSnapshot = 1 << 30

var (
	errNotHere  = errors.New("only directories belong here")
	errUnknown  = errors.New("not a file of cc-metric-store")
	errNoLevels = errors.New("a write-ahead log outside of a host's directory: its lines had no cluster or no hostname and cannot be addressed")
	errHalf     = errors.New("a snapshot that was never finished")
)

// Walk calls fn for every run of samples below dir, host by host in the order of names. The runs of one host come
// oldest snapshot first and then the write-ahead log, so that of two samples of one time the later one is the one that
// holds. s and its slices are valid until fn returns. Damage and strays are reported, never an error: Walk fails only
// if dir cannot be listed, ctx ends, or fn answers an error, which it returns as it is.
func Walk(ctx context.Context, dir string, fn func(s *Series) error) (Report, error) {
	w := walker{ctx: ctx, fn: fn}
	clusters, err := os.ReadDir(dir)
	if err != nil {
		return w.Report, fmt.Errorf("checkpoint directory: %w", err)
	}
	for _, c := range clusters {
		clusterDir := filepath.Join(dir, c.Name())
		for _, h := range w.list(clusterDir) {
			if err := w.host(filepath.Join(clusterDir, h.Name()), c.Name(), h.Name()); err != nil {
				return w.Report, err
			}
		}
	}
	return w.Report, nil
}

type walker struct {
	ctx context.Context
	fn  func(*Series) error
	Report
}

// list returns the entries of a cluster's or host's directory, and nothing, with a note, of what is no directory.
// Symbolic links are followed, as the peer does.
func (w *walker) list(path string) []os.DirEntry {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		w.damaged(path, 0, 0, err)
		return nil
	case !info.IsDir():
		why := errNotHere
		if filepath.Ext(path) == ".wal" {
			why = errNoLevels
		}
		w.Stray = append(w.Stray, Problem{Path: path, Err: why})
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		w.damaged(path, 0, 0, err)
	}
	return entries
}

func (w *walker) damaged(path string, offset, skipped int64, err error) {
	w.Damaged = append(w.Damaged, Problem{Path: path, Offset: offset, Skipped: skipped, Err: err})
}

type snapshot struct {
	from   int64
	name   string
	binary bool
}

func (w *walker) host(dir, cluster, host string) error {
	var (
		snapshots []snapshot
		wal       bool
	)
	for _, e := range w.list(dir) {
		name := e.Name()
		stem, ext := strings.TrimSuffix(name, filepath.Ext(name)), filepath.Ext(name)
		from, err := strconv.ParseInt(stem, 10, 64)
		switch {
		case name == "current.wal":
			wal = true
		case err == nil && (ext == ".bin" || ext == ".json"):
			snapshots = append(snapshots, snapshot{from, name, ext == ".bin"})
		case ext == ".tmp":
			w.Stray = append(w.Stray, Problem{Path: filepath.Join(dir, name), Err: errHalf})
		default:
			w.Stray = append(w.Stray, Problem{Path: filepath.Join(dir, name), Err: errUnknown})
		}
	}
	if len(snapshots) == 0 && !wal {
		return nil
	}
	w.Hosts++
	// At the same FROM the binary form comes last, and so holds: JSON has one decimal only.
	slices.SortFunc(snapshots, func(a, b snapshot) int {
		switch {
		case a.from != b.from:
			return cmp.Compare(a.from, b.from)
		case a.binary:
			return 1
		}
		return -1
	})
	for _, s := range snapshots {
		if err := w.snapshot(filepath.Join(dir, s.name), cluster, host, s.binary); err != nil {
			return err
		}
	}
	if wal {
		return w.wal(filepath.Join(dir, "current.wal"), cluster, host)
	}
	return nil
}

// emit hands one run to the callback.
func (w *walker) emit(s *Series) error {
	if err := w.ctx.Err(); err != nil {
		return errStop{err}
	}
	w.Samples += samples(s)
	w.Runs++
	if err := w.fn(s); err != nil {
		return errStop{err}
	}
	return nil
}

func (w *walker) snapshot(path, cluster, host string, binary bool) error {
	b, err := readFile(path)
	if err != nil {
		w.damaged(path, 0, 0, err)
		return nil
	}
	series := Series{Cluster: cluster, Host: host}
	run := func(levels []string, metric string, freq, start int64, values []float64) error {
		if err := checkGrid(freq, start, len(values)); err != nil {
			w.damaged(path, 0, 0, fmt.Errorf("metric %q at %q left out: %w", metric, levels, err))
			return nil
		}
		series.Path, series.Metric, series.Freq, series.Start, series.Values = levels, metric, freq, start, values
		return w.emit(&series)
	}
	if binary {
		err = readBin(b, run)
	} else {
		err = readJSON(b, run)
	}
	if stop := stopped(err); stop != nil {
		return stop
	}
	var rest errTrailing
	if err != nil {
		w.damaged(path, 0, 0, err)
	}
	if err == nil || errors.As(err, &rest) {
		w.Files++
	}
	return nil
}

func (w *walker) wal(path, cluster, host string) error {
	f, err := open(path)
	if err != nil {
		w.damaged(path, 0, 0, err)
		return nil
	}
	defer f.Close() // opened for reading only
	series := Series{Cluster: cluster, Host: host}
	err = readWAL(f, func(levels []string, metric string, times []int64, values []float64) error {
		series.Path, series.Metric, series.Times, series.Values = levels, metric, times, values
		return w.emit(&series)
	}, func(offset, skipped int64, err error) { w.damaged(path, offset, skipped, err) })
	if stop := stopped(err); stop != nil {
		return stop
	}
	if err != nil {
		w.damaged(path, 0, 0, err)
		return nil
	}
	w.Files++
	return nil
}

// readFile reads a snapshot whole, as far as the file really is long.
func readFile(path string) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading only
	b, err := io.ReadAll(io.LimitReader(f, maxSnapshot+1))
	if err == nil && len(b) > maxSnapshot {
		err = fmt.Errorf("larger than %d bytes", maxSnapshot)
	}
	return b, err
}

// open opens a regular file. Pipes and devices are refused unopened: opening or reading one might never return.
func open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file (%s)", info.Mode().Type())
	}
	return os.Open(path)
}
