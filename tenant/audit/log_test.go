package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// opened opens a log in a folder of its own, with a clock.
func opened(t *testing.T) (l *Log, file string, now *time.Time, said *bytes.Buffer) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "audit.log")
	now, said = new(time.Time), &bytes.Buffer{}
	*now = time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	l, err := Open(Options{File: file, Logger: slog.New(slog.NewTextHandler(said, nil)), Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, file, now, said
}

// entries reads a file; a line that is no entry fails the test.
func entries(t *testing.T, file string) (list []Entry) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || !strings.HasSuffix(line, "\n") {
			t.Fatalf("%q: %v", line, err)
		}
		list = append(list, e)
	}
	return list
}

func TestRecord(t *testing.T) {
	l, file, _, _ := opened(t)
	l.Record(Entry{Subject: "me", Source: "key", Credential: "k1", Remote: "::1", Action: "tenant.create", Target: "/v2/tenants/x", Tenant: "_ops", Outcome: OK, Detail: map[string]any{"n": 3}})
	l.Record(Entry{Action: "a\nb\xff" + strings.Repeat("x", 2000), Outcome: "no"})
	b, _ := os.ReadFile(file)
	first, second, _ := strings.Cut(string(b), "\n")
	const want = `{"time":"2026-01-02T02:04:05.000000006Z","subject":"me","source":"key","credential":"k1","remote":"::1","action":"tenant.create",` +
		`"target":"/v2/tenants/x","tenant":"_ops","outcome":"ok","detail":{"n":3}}`
	if first != want {
		t.Errorf("%s\nwant\n%s", first, want)
	}
	if len(second) > 700 || strings.Count(second, "\n") != 1 || len(entries(t, file)) != 2 {
		t.Errorf("%q", second)
	}
	if i, err := os.Stat(file); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", i.Mode(), err)
	}
	if s := l.Stats(); s != (Stats{Entries: 2}) {
		t.Errorf("%+v", s)
	}
}

// TestMovedAway: a file that was moved is left alone, and a new one begun, at the latest a second later or when asked.
func TestMovedAway(t *testing.T) {
	l, file, now, said := opened(t)
	l.Record(Entry{Action: "first"})
	move := func(to string) {
		if err := os.Rename(file, file+to); err != nil {
			t.Fatal(err)
		}
	}
	move(".1")
	*now = now.Add(time.Second)
	l.Record(Entry{Action: "second"})
	move(".2")
	l.Reopen()
	l.Record(Entry{Action: "third"})
	for name, want := range map[string]string{".1": "first", ".2": "second", "": "third"} {
		if e := entries(t, file+name); len(e) != 1 || e[0].Action != want {
			t.Errorf("%q: %+v", name, e)
		}
	}
	if said.Len() > 0 {
		t.Error(said)
	}
}

// TestFailures are counted and said once, and end by themselves.
func TestFailures(t *testing.T) {
	l, file, now, said := opened(t)
	away := filepath.Dir(file) + "-away"
	if err := os.Rename(filepath.Dir(file), away); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		*now = now.Add(time.Second)
		l.Record(Entry{Action: "lost to its name"})
	}
	if s := l.Stats(); s.Failures != 3 || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("%+v %s", s, said)
	}
	if err := os.Rename(away, filepath.Dir(file)); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(time.Second)
	l.Record(Entry{Action: "again"})
	if e := entries(t, file); len(e) != 4 || l.Stats().Entries != 1 {
		t.Errorf("%+v %+v", e, l.Stats())
	}
	if _, err := Open(Options{File: filepath.Join(file, "below")}); err == nil || !strings.HasPrefix(err.Error(), "audit log: ") {
		t.Error(err)
	}
}

// TestTornLine: a line that could be written in part only does not spoil the next one.
func TestTornLine(t *testing.T) {
	l, file, _, _ := opened(t)
	if _, err := l.file.WriteString(`{"time":`); err != nil {
		t.Fatal(err)
	}
	l.torn = true
	l.Record(Entry{Action: "whole"})
	b, _ := os.ReadFile(file)
	if lines := strings.Split(string(b), "\n"); len(lines) != 3 || !json.Valid([]byte(lines[1])) {
		t.Errorf("%q", b)
	}
}

// TestOften: of what comes often the first of a minute is written, and then how many followed.
func TestOften(t *testing.T) {
	l, file, now, _ := opened(t)
	for i := range 1000 {
		l.Often("a", Entry{Action: "x", Detail: map[string]any{"i": i}})
	}
	l.Often("b", Entry{Action: "y"})
	*now = now.Add(time.Minute)
	l.Often("a", Entry{Action: "x"})
	got := ""
	for _, e := range entries(t, file) {
		got += fmt.Sprint(e.Action, e.Detail, " ")
	}
	if want := "xmap[i:0] ymap[] xmap[i:999 left_out:999] xmap[] "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// Many keys take no more room than some.
	for i := range 10 * maxOften {
		l.Often(fmt.Sprint(i), Entry{Action: "z"})
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := len(entries(t, file)); n > 2*maxOften || len(l.often) > 0 {
		t.Errorf("%d entries", n)
	}
}

// TestToTheLog: without a file the entries are lines of the service's log. A nil log takes everything and keeps nothing.
func TestToTheLog(t *testing.T) {
	var said bytes.Buffer
	l, err := Open(Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	l.Record(Entry{Subject: "me", Action: "rule.delete", Tenant: "a", Outcome: OK, Detail: map[string]any{"n": 1}})
	if !strings.Contains(said.String(), `msg=audit subject=me action=rule.delete tenant=a outcome=ok detail=map[n:1]`) {
		t.Error(said.String())
	}
	l.Reopen()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	var none *Log
	none.Record(Entry{})
	none.Often("", Entry{})
	none.Reopen()
	if none.Stats() != (Stats{}) || none.Close() != nil {
		t.Error("a nil log does something")
	}
}
