package segment

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// ManifestName is the name of the manifest in the directory of segments.
	ManifestName = "MANIFEST"
	// ManifestVersion is the newest format of the manifest that this program reads, and the one that it writes.
	ManifestVersion = 1

	manifestMagic = "granary-manifest"
	maxManifest   = 1 << 30
)

// FileInfo is a segment file as the manifest names it.
type FileInfo struct {
	ID      uint32 `json:"id"`
	Name    string `json:"name"`
	Clock   uint8  `json:"clock"`  // the retention clock of its chunks
	Window  int64  `json:"window"` // end of its expiry window, nanoseconds since 1970 UTC
	Size    int64  `json:"size"`
	Entries uint64 `json:"entries"`
}

// Manifest names the files that count, and up to which journal record each shard is in them.
type Manifest struct {
	Version   uint32     `json:"version"`
	Shards    uint32     `json:"shards"`
	NextFile  uint32     `json:"next_file"` // above the ids of all files, whether segment or state
	State     string     `json:"state"`     // name of the state file, empty if there is none
	Files     []FileInfo `json:"files"`
	Positions []uint64   `json:"positions"` // one a shard: the last journal record that it holds
}

// check says what is wrong with the manifest.
func (m *Manifest) check() error {
	if uint64(len(m.Positions)) != uint64(m.Shards) {
		return fmt.Errorf("it has %d positions for %d shards", len(m.Positions), m.Shards)
	}
	if m.State != "" {
		id, ok := fileID(m.State)
		if !ok || m.State != StateName(id) {
			return fmt.Errorf("%q is not the name of a state file", m.State)
		}
		if id >= m.NextFile {
			return fmt.Errorf("file %s is not below the next id %d", m.State, m.NextFile)
		}
	}
	seen := make(map[uint32]bool, len(m.Files))
	for _, f := range m.Files {
		switch {
		case f.Name != SegmentName(f.ID):
			return fmt.Errorf("%q is not the name of segment file %d", f.Name, f.ID)
		case f.ID >= m.NextFile:
			return fmt.Errorf("file %s is not below the next id %d", f.Name, m.NextFile)
		case seen[f.ID]:
			return fmt.Errorf("file %s is named twice", f.Name)
		}
		seen[f.ID] = true
	}
	return nil
}

// LoadManifest reads the manifest in dir. One that is not there is an error like fs.ErrNotExist: a store without a
// snapshot.
func LoadManifest(dir string) (*Manifest, error) { return loadManifest(OS{}, dir) }

func loadManifest(fsys FS, dir string) (*Manifest, error) {
	path := filepath.Join(dir, ManifestName)
	h, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	size, err := h.Size()
	if err != nil {
		return nil, err
	}
	if size > maxManifest {
		return nil, &DamagedError{Path: path, Reason: fmt.Sprintf("%d bytes are more than a manifest can have", size)}
	}
	b := make([]byte, size)
	if err := readFull(h, path, b, 0); err != nil {
		return nil, err
	}
	return parseManifest(path, b)
}

func parseManifest(path string, b []byte) (*Manifest, error) {
	damaged := func(format string, args ...any) (*Manifest, error) {
		return nil, &DamagedError{Path: path, Reason: fmt.Sprintf(format, args...)}
	}
	first, body, ok := strings.Cut(string(b), "\n")
	words := strings.Split(first, " ")
	if !ok || words[0] != manifestMagic || len(words) < 2 {
		return damaged("the first line is not that of a manifest")
	}
	// The version alone decides how the rest of the line reads.
	version, err := strconv.ParseUint(words[1], 10, 32)
	if err == nil && version > ManifestVersion {
		return nil, &NewerFormatError{Path: path, Version: uint32(version), Known: ManifestVersion}
	}
	switch {
	case first != manifestLine(body):
		return damaged("the first line does not fit what follows it")
	case err != nil || version != ManifestVersion:
		return damaged("the first line names format %q", words[1])
	}
	m := new(Manifest)
	if err := json.Unmarshal(b[len(b)-len(body):], m); err != nil {
		return damaged("it cannot be decoded: %v", err)
	}
	if m.Version != ManifestVersion {
		return damaged("the first line says format %d, the rest %d", version, m.Version)
	}
	if err := m.check(); err != nil {
		return damaged("%v", err)
	}
	return m, nil
}

// manifestLine is the first line of a manifest with the given body.
func manifestLine(body string) string {
	return fmt.Sprintf("%s %d crc32c=%08x bytes=%d", manifestMagic, ManifestVersion, sum([]byte(body)), len(body))
}

// Save makes m the manifest of dir: written under a temporary name, synced, renamed, and the directory synced. All files
// that it names must be finished. After an error the manifest in dir is the one from before or m, whole in either case;
// m has been given the current version.
func (m *Manifest) Save(dir string) error { return m.save(OS{}, dir) }

func (m *Manifest) save(fsys FS, dir string) error {
	if m.Version > ManifestVersion {
		return &NewerFormatError{Path: filepath.Join(dir, ManifestName), Version: m.Version, Known: ManifestVersion}
	}
	m.Version = ManifestVersion
	if err := m.check(); err != nil {
		return fmt.Errorf("segment: the manifest is not saved: %w", err)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("segment: encoding the manifest: %w", err)
	}
	out, err := create(fsys, dir, ManifestName)
	if err != nil {
		return fmt.Errorf("segment: creating the manifest: %w", err)
	}
	out.write([]byte(manifestLine(string(body)) + "\n"))
	out.write(body)
	if err := out.finish(); err != nil {
		return fmt.Errorf("segment: saving the manifest: %w", err)
	}
	return nil
}
