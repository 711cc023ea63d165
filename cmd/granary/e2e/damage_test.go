//go:build e2e

package e2e_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// damaged is a data folder that a test damages: three hosts with 300 samples, of which 240 lie in a segment file and 60 in
// the state file, one host with 50 samples, which are all in the state file, and a journal that has none of them any more.
type damaged struct {
	t      *testing.T
	config string
	data   string
	from   int64 // time of slot 0
}

var whole = map[string]int{"h0": 300, "h1": 300, "h2": 300, "young": 50}

// sample is the line and the value in thousandths of a slot of a host.
func (d *damaged) sample(name string, slot int) (string, int64) {
	v := int64(mix(uint64(slot)<<8^uint64(name[len(name)-1])) % 1_000_000)
	return fmt.Sprintf("load,cluster=c,hostname=%s value=%d.%03d %d\n", name, v/1000, v%1000, d.from+10*int64(slot)), v
}

// newDamaged makes the folder.
func newDamaged(t *testing.T) *damaged {
	dir := t.TempDir()
	d := &damaged{t: t, data: filepath.Join(dir, "data"), from: minute()}
	d.config = configFile(t, filepath.Join(dir, "config.json"), object{
		"metrics": object{"load": object{"frequency": 10, "aggregation": nil}},
		"granary": object{"snapshot": object{"interval": "1s"}, "disk-free-mark": 0},
	})
	p := serve(t, d.config, d.data)
	var body strings.Builder
	for name, n := range whole {
		for slot := range n {
			line, _ := d.sample(name, slot)
			body.WriteString(line)
		}
	}
	p.mustWrite(body.String())
	// The second snapshot begins a new segment of the journal, the third lets the first one go.
	for n := range 3 {
		poll(t, "a snapshot", func() bool { return p.metric("granary_snapshots_total") > float64(n) })
		p.mustWrite(fmt.Sprintf("load,cluster=c,hostname=other value=1 %d\n", d.from+10*int64(n)))
	}
	if _, err := os.Stat(filepath.Join(d.data, "journal", "00000001.wal")); err == nil {
		t.Fatal("the journal was not trimmed")
	}
	p.stop()
	return d
}

// copied is a copy of the folder to be damaged.
func (d *damaged) copied(t *testing.T) *damaged {
	t.Helper()
	c := *d
	c.t, c.data = t, filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(c.data, os.DirFS(d.data)); err != nil {
		t.Fatal(err)
	}
	return &c
}

// find is the one file of the folder that fits a pattern.
func (d *damaged) find(pattern string) string {
	d.t.Helper()
	list, err := filepath.Glob(filepath.Join(d.data, filepath.FromSlash(pattern)))
	if err != nil || len(list) != 1 {
		d.t.Fatalf("%s: %v, %v", pattern, list, err)
	}
	return list[0]
}

// flip changes one byte of a file; an offset below zero counts from the end.
func (d *damaged) flip(file string, at int) {
	d.t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		d.t.Fatal(err)
	}
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 0x55
	if err := os.WriteFile(file, b, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *damaged) truncate(file string, size int64) {
	d.t.Helper()
	if err := os.Truncate(file, size); err != nil {
		d.t.Fatal(err)
	}
}

func (d *damaged) create(name, content string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.data, filepath.FromSlash(name)), []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// count asks for all hosts in one query and gives how many samples each has; all must have the values that were sent.
func (d *damaged) count(p *process, names []string, slots int) map[string]int {
	d.t.Helper()
	q := question{Cluster: "c", From: d.from, To: d.from + 10*int64(slots)}
	for _, name := range names {
		q.Queries = append(q.Queries, selector{Metric: "load", Host: name})
	}
	counts := make(map[string]int)
	for i, row := range p.mustAsk(q) {
		name := names[i]
		for _, c := range row {
			values, err := thousandths(nil, c.Data)
			if err != nil || c.Error != nil {
				d.t.Errorf("%s: %v %s", name, err, show(c.Error))
			}
			for k, v := range values {
				slot := int(c.From-d.from)/10 + k
				if _, want := d.sample(name, slot); v == want {
					counts[name]++
				} else if v != hole {
					d.t.Errorf("%s, slot %d: %d thousandths, sent were %d", name, slot, v, want)
				}
			}
		}
	}
	return counts
}

// files are the names in a folder.
func (d *damaged) files(folder string) (names []string) {
	d.t.Helper()
	list, err := os.ReadDir(filepath.Join(d.data, folder))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, f := range list {
		names = append(names, f.Name())
	}
	return names
}

// TestDamage damages a data folder in many ways. The start must go on, say what was put aside, and show the rest; series
// must take samples whatever became of their old ones; and the next start must find nothing wrong any more.
func TestDamage(t *testing.T) {
	base := newDamaged(t)
	names := []string{"h0", "h1", "h2", "young"}
	sealed := map[string]int{"h0": 240, "h1": 240, "h2": 240}
	heads := map[string]int{"h0": 60, "h1": 60, "h2": 60, "young": 50}
	for _, c := range []struct {
		name       string
		damage     func(d *damaged)
		left       map[string]int // samples by host; nil: any number, with right values
		quarantine string         // pattern of a name there; "" if nothing is put aside
		log        string         // pattern
	}{
		{"nothing", func(*damaged) {}, whole, "", "msg=recovered"},
		{"index of a segment", func(d *damaged) { d.flip(d.find("segments/*.seg"), -60) }, heads, `\.seg$`, `damaged file put aside.*\.seg`},
		{"end of a segment", func(d *damaged) { d.truncate(d.find("segments/*.seg"), 200) }, heads, `\.seg$`, `damaged file put aside.*\.seg`},
		{"head of a segment", func(d *damaged) { d.flip(d.find("segments/*.seg"), 3) }, heads, `\.seg$`, `damaged file put aside.*\.seg`},
		{"no segment", func(d *damaged) {
			if err := os.Remove(d.find("segments/*.seg")); err != nil {
				d.t.Fatal(err)
			}
		}, heads, "", `\.seg`},
		{"state cut off", func(d *damaged) { d.truncate(d.find("segments/state-*"), 100) }, sealed, `^state-\d+$`, `damaged file put aside.*state-`},
		{"byte of the state", func(d *damaged) { d.flip(d.find("segments/state-*"), 80) }, sealed, `^state-\d+$`, `damaged file put aside.*state-`},
		{"manifest", func(d *damaged) { d.truncate(d.find("segments/MANIFEST"), 20) }, map[string]int{}, `^MANIFEST$`, `damaged file put aside.*MANIFEST`},
		{"definitions", func(d *damaged) { d.flip(d.find("definitions.db"), 16); d.flip(d.find("definitions.db"), 4096+16) }, nil, `^definitions\.db$`, `put aside.*definitions\.db`},
		{"strangers", func(d *damaged) {
			d.create("journal/README", "not a journal\n")
			d.create("journal/00000007.wal.bak", strings.Repeat("x", 1000))
			d.create("segments/README", "not a segment\n")
			d.create("notes", "mine\n")
		}, whole, "", "msg=recovered"},
		{"a stranger that looks like a journal", func(d *damaged) {
			d.create("journal/00000090.wal", strings.Repeat("garbage", 100))
		}, whole, `^journal-00000090-`, `put aside.*00000090\.wal`},
		{"an empty journal segment", func(d *damaged) { d.create("journal/00000090.wal", "") }, whole, "", `cut off.*00000090\.wal`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := base.copied(t)
			c.damage(d)
			p := serve(t, d.config, d.data)
			p.log.await(t, regexp.MustCompile(c.log))
			got := d.count(p, names, 300)
			if c.left != nil && fmt.Sprint(got) != fmt.Sprint(c.left) {
				t.Errorf("%v samples are left, want %v", got, c.left)
			}
			aside := d.files("quarantine")
			if found := regexp.MustCompile(c.quarantine); c.quarantine == "" && len(aside) > 0 {
				t.Errorf("in quarantine: %v", aside)
			} else if c.quarantine != "" {
				reasons, ok := 0, false
				for _, name := range aside {
					ok = ok || found.MatchString(name)
					if strings.HasSuffix(name, ".reason") {
						reasons++
					}
				}
				if !ok || 2*reasons != len(aside) {
					t.Errorf("in quarantine: %v", aside)
				}
			}
			// Every series takes samples, the old ones and new ones.
			for _, name := range append(names, "after") {
				line, _ := d.sample(name, 300)
				p.mustWrite(line)
				got[name]++
			}
			all := append(names, "after")
			if now := d.count(p, all, 301); fmt.Sprint(now) != fmt.Sprint(got) {
				t.Errorf("%v samples after one more of each, want %v", now, got)
			}
			p.kill()
			p = serve(t, d.config, d.data)
			if now := d.count(p, all, 301); fmt.Sprint(now) != fmt.Sprint(got) {
				t.Errorf("%v samples after a kill, want %v", now, got)
			}
			p.stop()
			if now := d.files("quarantine"); len(now) != len(aside) {
				t.Errorf("in quarantine after another start: %v, before: %v", now, aside)
			}
			if code, out, errs := command(t, "verify", d.data); code != 0 {
				t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
			}
		})
	}
}

// TestDamagedChunk damages one chunk in a segment, which shows only when it is read: it is missing then, and nothing
// else is.
func TestDamagedChunk(t *testing.T) {
	d := newDamaged(t)
	d.flip(d.find("segments/*.seg"), 60) // behind the head of the file and of the first payload
	p := serve(t, d.config, d.data)
	names := []string{"h0", "h1", "h2", "young"}
	lost := 0
	for name, n := range d.count(p, names, 300) {
		lost += whole[name] - n
	}
	if lost != 120 {
		t.Errorf("%d samples are lost with one chunk of 120", lost)
	}
	p.log.await(t, regexp.MustCompile(`damaged chunk left out.*\.seg`))
	line, _ := d.sample("h0", 0)
	p.mustWrite(line) // something for the last snapshot
	p.stop()
	if aside := d.files("quarantine"); len(aside) != 2 || !strings.HasSuffix(aside[0], ".seg") || !strings.HasSuffix(aside[1], ".reason") {
		t.Errorf("in quarantine: %v", aside)
	}
	if code, out, errs := command(t, "verify", d.data); code != 0 {
		t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
	}
}

// crashed is a server that was killed after five bodies, so that the journal has them all.
func crashed(t *testing.T) *damaged {
	dir := t.TempDir()
	d := &damaged{t: t, data: filepath.Join(dir, "data"), from: minute()}
	d.config = configFile(t, filepath.Join(dir, "config.json"), object{
		"metrics": object{"load": object{"frequency": 10, "aggregation": nil}}, "granary": object{"disk-free-mark": 0},
	})
	p := serve(t, d.config, d.data)
	for i := range 5 {
		var body strings.Builder
		for slot := range 100 {
			line, _ := d.sample(fmt.Sprintf("b%d", i), slot)
			body.WriteString(line)
		}
		p.mustWrite(body.String())
	}
	p.kill()
	return d
}

var bodies = []string{"b0", "b1", "b2", "b3", "b4"}

// TestDamagedJournal damages the journal of a killed server.
func TestDamagedJournal(t *testing.T) {
	base := crashed(t)
	type damage struct {
		name       string
		damage     func(d *damaged)
		lost       int // bodies, at most
		log        string
		quarantine bool
	}
	damages := []damage{
		{"torn end", func(d *damaged) {
			f := d.find("journal/*.wal")
			i, err := os.Stat(f)
			if err != nil {
				d.t.Fatal(err)
			}
			d.truncate(f, i.Size()-5)
		}, 1, "torn end of the journal cut off", false},
		{"zeros at the end", func(d *damaged) {
			f, err := os.OpenFile(d.find("journal/*.wal"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				d.t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.Write(make([]byte, 3000)); err != nil {
				d.t.Fatal(err)
			}
		}, 0, "torn end of the journal cut off", false},
	}
	// In front of the last body, of which the torn end is a part, whatever record it hits.
	for at := 10; at <= 80; at += 2 {
		damages = append(damages, damage{fmt.Sprintf("at %d percent", at), func(d *damaged) {
			f := d.find("journal/*.wal")
			i, err := os.Stat(f)
			if err != nil {
				d.t.Fatal(err)
			}
			d.flip(f, int(i.Size())*at/100)
		}, 1, "damaged part of the journal put aside", true})
	}
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			d := base.copied(t)
			c.damage(d)
			p := serve(t, d.config, d.data)
			p.log.await(t, regexp.MustCompile(c.log))
			got := d.count(p, bodies, 100)
			kept := 0
			for _, n := range got {
				if n == 100 {
					kept++
				} else if n > 0 {
					t.Errorf("a body is there in part: %v", got)
				}
			}
			if kept < len(bodies)-c.lost {
				t.Errorf("%d of %d bodies are left: %v", kept, len(bodies), got)
			}
			if aside := d.files("quarantine"); len(aside) > 0 != c.quarantine {
				t.Errorf("in quarantine: %v", aside)
			}
			// What is written behind the damage is there after the next crash.
			for _, name := range bodies {
				line, _ := d.sample(name, 100)
				p.mustWrite(line)
				got[name]++
			}
			p.kill()
			p = serve(t, d.config, d.data)
			if now := d.count(p, bodies, 101); fmt.Sprint(now) != fmt.Sprint(got) {
				t.Errorf("%v samples after a kill, want %v", now, got)
			}
			p.stop()
		})
	}
}

// TestNewerFormat gives the program a file of a later version: it names the file, leaves it as it is, and does not start.
func TestNewerFormat(t *testing.T) {
	d := crashed(t)
	file := d.find("journal/*.wal")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// measures/journal/DESIGN.md: version at 8, checksum of the first 36 bytes behind them.
	binary.LittleEndian.PutUint32(b[8:], 99)
	binary.LittleEndian.PutUint32(b[36:], crc32.Checksum(b[:36], crc32.MakeTable(crc32.Castagnoli)))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, "", "serve", "--config", d.config, "--listen", "127.0.0.1:0", "--data", d.data)
	if code := p.ended(); code != 1 || p.log.find(regexp.MustCompile(`granary: .*`+regexp.QuoteMeta(filepath.Base(file))+`.*99`)) == nil {
		t.Errorf("exit code %d\n%s", code, p.log)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(b) {
		t.Errorf("the file was changed (%v)", err)
	}
}
