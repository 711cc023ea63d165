package journal

import (
	"cmp"
	"math"
	"path/filepath"
	"slices"
)

// Verify reads every record of the journal in dir, changes nothing, and returns what it finds wrong; the journal of a
// process that was killed may have a torn end, which the next start cuts off. A journal in use may be read too, but then
// what is being written can look torn.
func Verify(dir string) []Problem { return verify(OS{}, dir) }

func verify(fs FS, dir string) []Problem {
	names, err := fs.ReadDir(dir)
	if err != nil {
		return []Problem{{Path: dir, Reason: "the directory cannot be read", Err: err}}
	}
	var ids []uint64
	for _, name := range names {
		if id, ok := segmentID(name, segmentSuffix); ok {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, cmp.Compare[uint64])

	var problems []Problem
	var segments []*segment
	for _, id := range ids {
		s, found := verifyHead(fs, segmentPath(dir, id), id)
		problems = append(problems, found...)
		if s != nil {
			segments = append(segments, s)
		}
	}
	seen := uint64(0)
	var buf []byte
	views := viewsOf(segments)
	for i, v := range views {
		if v.void() {
			continue
		}
		if v.ok && seen > 0 && v.head.prev > seen {
			problems = append(problems, damage{after: seen, reason: missing(seen+1, v.head.prev)}.problem(v))
		}
		h, err := fs.Open(v.path)
		if err != nil {
			problems = append(problems, Problem{Path: v.path, Segment: v.id, Reason: "the file cannot be opened", Err: err})
			continue
		}
		scan := newScanner(h, v.size, v.head, v.ok, buf)
		var found []damage
		scan.below, scan.report = v.below, func(d damage) { found = append(found, d) }
		for {
			if _, _, ok := scan.scan(); !ok {
				break
			}
		}
		buf = scan.buf
		var torn damage
		if v.ok && i == len(views)-1 {
			found, torn = splitTorn(found, scan)
		}
		for _, d := range found {
			problems = append(problems, d.problem(v))
		}
		if torn.length > 0 && scan.err == nil {
			p := torn.problem(v)
			p.Torn = true
			problems = append(problems, p)
		}
		if scan.err != nil {
			problems = append(problems, Problem{Path: v.path, Segment: v.id, Offset: scan.offset(), After: scan.last, Reason: "the file cannot be read", Err: scan.err})
		}
		seen = max(seen, scan.last)
		h.Close()
	}
	return problems
}

// verifyHead reads the head of a segment; the segment is nil if nothing more can be said about it.
func verifyHead(fs FS, path string, id uint64) (*segment, []Problem) {
	p := Problem{Path: path, Segment: id}
	h, err := fs.Open(path)
	if err != nil {
		p.Reason, p.Err = "the file cannot be opened", err
		return nil, []Problem{p}
	}
	defer h.Close()
	size, err := h.Size()
	if err != nil {
		p.Reason, p.Err = "the file cannot be read", err
		return nil, []Problem{p}
	}
	head, ok, err := readSegmentHeader(h)
	switch {
	case err != nil:
		p.Reason, p.Err = "the file cannot be read", err
		return nil, []Problem{p}
	case ok && head.version > Version:
		p.Reason = (&NewerFormatError{Path: filepath.Base(path), Version: head.version, Known: Version}).Error()
		return nil, []Problem{p}
	case ok:
		return &segment{id: id, path: path, headOK: true, partition: head.partition, first: head.first, prev: head.prev, marker: head.marker, size: size}, nil
	}
	never, err := neverWritten(h, size)
	if err != nil {
		p.Reason, p.Err = "the file cannot be read", err
		return nil, []Problem{p}
	}
	if never {
		p.Reason, p.Length, p.Torn = "the segment was made and never written", size, true
		return nil, []Problem{p}
	}
	p.Reason, p.Length = "the head of the segment is damaged", min(size, segmentHeaderSize)
	return &segment{id: id, path: path, prev: math.MaxUint64, size: size}, []Problem{p}
}
