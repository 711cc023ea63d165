package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Options are the parts of a Log.
type Options struct {
	File   string           // "": entries go to the logger
	Logger *slog.Logger     // nil: slog.Default
	Now    func() time.Time // nil: time.Now
}

// Log is the audit log. A nil one takes entries and keeps none. It is safe for concurrent use.
type Log struct {
	o Options

	mu       sync.Mutex
	file     *os.File
	info     os.FileInfo // of file
	looked   time.Time   // when it was last looked whether the file is still there
	torn     bool        // the last line is not whole
	failing  bool
	entries  uint64
	failures uint64
	often    map[string]*counted
	minute   time.Time // when the counts of often began
}

// counted is an entry that may come often.
type counted struct {
	last  Entry
	count int // beyond the first
}

// Stats are the log's counters.
type Stats struct{ Entries, Failures uint64 }

// Open begins to write.
func Open(o Options) (*Log, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Log{o: o, often: map[string]*counted{}}
	if o.File == "" {
		return l, nil
	}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return l, nil
}

// open opens the file under the name, beside the one that is open, which is closed if that succeeds. REQUIRES: l.mu, or nobody
// else knows l.
func (l *Log) open() error {
	f, err := os.OpenFile(l.o.File, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if l.file != nil {
		_ = l.file.Close() // what was written is written
	}
	l.file, l.info, l.torn = f, info, false
	return nil
}

// Record writes an entry. The time is now if it has none.
func (l *Log) Record(e Entry) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record(e)
}

func (l *Log) record(e Entry) {
	now := l.o.Now()
	if e.Time.IsZero() {
		e.Time = now
	}
	if l.o.File == "" {
		l.entries++
		l.o.Logger.LogAttrs(context.Background(), slog.LevelInfo, "audit", e.attrs()...)
		return
	}
	line, err := e.line()
	if err == nil {
		if now.Sub(l.looked) >= time.Second {
			l.looked = now
			err = l.follow()
		}
		if werr := l.write(line); werr != nil {
			err = werr
		}
	}
	if err != nil {
		if l.failures++; !l.failing {
			l.o.Logger.Error("the audit log cannot be written", "error", err)
		}
	} else {
		l.entries++
	}
	l.failing = err != nil
}

// attrs are the members of an entry for the log of the service.
func (e *Entry) attrs() []slog.Attr {
	var list []slog.Attr
	for _, m := range []struct{ name, value string }{
		{"subject", e.Subject}, {"source", e.Source}, {"credential", e.Credential}, {"remote", e.Remote}, {"action", e.Action}, {"target", e.Target},
		{"tenant", string(e.Tenant)}, {"tenants", e.Tenants}, {"outcome", e.Outcome},
	} {
		if m.value != "" {
			list = append(list, slog.String(m.name, short(m.value)))
		}
	}
	if len(e.Detail) > 0 {
		list = append(list, slog.Any("detail", e.Detail))
	}
	return list
}

// follow opens a new file if the one that is written to has another name now, or none.
func (l *Log) follow() error {
	info, err := os.Stat(l.o.File)
	if err == nil && os.SameFile(info, l.info) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return l.open()
}

func (l *Log) write(line []byte) error {
	if l.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := l.file.Write(line)
	if n > 0 {
		l.torn = n < len(line)
	}
	return err
}

// Reopen looks at once whether the file was moved away.
func (l *Log) Reopen() {
	if l == nil || l.o.File == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.follow(); err != nil {
		l.failures++
		l.o.Logger.Error("the audit log cannot be opened anew", "error", err)
	}
}

// maxOften bounds the keys of Often in a minute.
const maxOften = 256

// others is the key of what has no room of its own.
const others = "\x00"

// Often writes an entry that may come again and again: the first of a key in a minute. When the minute is over, and another
// comes or the log is closed, the last one follows with the number of those that were left out.
func (l *Log) Often(key string, e Entry) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	if now.Sub(l.minute) >= time.Minute {
		l.flush()
		l.minute = now
	}
	if e.Time.IsZero() {
		e.Time = now
	}
	c := l.often[key]
	if c == nil && len(l.often) >= maxOften {
		key = others
		c = l.often[key]
	}
	if c != nil {
		c.last = e
		c.count++
		return
	}
	l.often[key] = &counted{}
	l.record(e)
}

// flush writes what was left out. REQUIRES: l.mu.
func (l *Log) flush() {
	for key, c := range l.often {
		if c.count == 0 {
			continue
		}
		e := c.last
		detail := map[string]any{"left_out": c.count}
		if key == others {
			detail["of"] = "several"
		}
		for name, v := range e.Detail {
			detail[name] = v
		}
		e.Detail = detail
		l.record(e)
	}
	clear(l.often)
}

// Stats are the counters.
func (l *Log) Stats() Stats {
	if l == nil {
		return Stats{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{l.entries, l.failures}
}

// Close writes what was left out and closes the file. Entries that come later are lost.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
