package measures

import (
	"fmt"
	"sync"
	"sync/atomic"

	"granary/measures/segment"
)

// segmentSet is the set of open segment files. A reader acquires a file under the shard's lock, where the entry that
// names it cannot go away, and releases it when it has decoded; a file that is dropped meanwhile closes with the last
// reader.
type segmentSet struct {
	mu    sync.RWMutex
	files map[uint32]*segmentFile // under mu
}

type segmentFile struct {
	id   uint32
	info segment.FileInfo
	file *segment.File
	refs atomic.Int32 // readers, plus one while the set holds it
	live atomic.Int64 // chunks of the file that a series still names

	// damage is what was found wrong with a chunk of the file, nil if nothing was.
	damage atomic.Pointer[error]
}

func newSegmentSet() *segmentSet { return &segmentSet{files: make(map[uint32]*segmentFile)} }

func (ss *segmentSet) add(f *segment.File, info segment.FileInfo) *segmentFile {
	sf := &segmentFile{id: info.ID, info: info, file: f}
	sf.refs.Store(1)
	ss.mu.Lock()
	ss.files[info.ID] = sf
	ss.mu.Unlock()
	return sf
}

// acquire returns a file that a chunk is in; the caller releases it.
func (ss *segmentSet) acquire(id uint32) *segmentFile {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	f := ss.files[id]
	if f == nil {
		return nil
	}
	f.refs.Add(1)
	return f
}

// drop takes a file out of the set; no chunk names it any more.
func (ss *segmentSet) drop(id uint32) {
	ss.mu.Lock()
	f := ss.files[id]
	delete(ss.files, id)
	ss.mu.Unlock()
	f.release()
}

// forget counts one chunk less that a series names.
func (ss *segmentSet) forget(id uint32) {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	if f := ss.files[id]; f != nil {
		f.live.Add(-1)
	}
}

// mostlyDead says whether series name less than half of the chunks of a file. One of which they name none is not merged but let go.
func (ss *segmentSet) mostlyDead(info segment.FileInfo) bool {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	f := ss.files[info.ID]
	if f == nil {
		return false
	}
	live := f.live.Load()
	return live > 0 && 2*live < int64(info.Entries)
}

func (ss *segmentSet) closeAll() {
	ss.mu.Lock()
	files := ss.files
	ss.files = make(map[uint32]*segmentFile)
	ss.mu.Unlock()
	for _, f := range files {
		f.release()
	}
}

func (f *segmentFile) release() {
	if f != nil && f.refs.Add(-1) == 0 {
		// A file that was only read has nothing to lose in closing.
		_ = f.file.Close()
	}
}

// read reads one chunk into dst's memory.
func (f *segmentFile) read(dst []byte, l segLoc) ([]byte, error) {
	if f == nil {
		return nil, fmt.Errorf("segment file %d is gone", l.file())
	}
	return f.readAt(dst, l.off(), l.len())
}

// readAt reads the payload of n bytes at an offset into dst's memory.
func (f *segmentFile) readAt(dst []byte, off uint64, n uint32) ([]byte, error) {
	if f == nil {
		return nil, fmt.Errorf("segment file of the offset %d is gone", off)
	}
	b, err := f.file.ReadAt(dst, off, n)
	if err != nil {
		return nil, fmt.Errorf("segment file %d, offset %d: %w", f.id, off, err)
	}
	return b, nil
}
