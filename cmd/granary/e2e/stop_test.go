//go:build e2e

package e2e_test

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stopLimit is how long a stop under load may take.
const stopLimit = 5 * time.Second

const hangup = syscall.SIGHUP

// TestStop stops a server under load, with connections open that send nothing.
func TestStop(t *testing.T) {
	rng := random(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	config := configFile(t, filepath.Join(dir, "config.json"), crashConfig("interval"))
	l, f := &ledger{}, &faults{t: t}
	senders := newSenders(l, rng, 2, 6, true)
	for round := range 3 {
		p := serve(t, config, data)
		end := loadHTTP(p, l, f, senders, rng, round)
		address := strings.TrimPrefix(p.url, "http://")
		for range 3 {
			c, err := net.Dial("tcp", address) // has never sent anything
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		kept, err := net.Dial("tcp", address) // has been answered and is kept open
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		fmt.Fprintf(kept, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", address)
		if _, err := kept.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond) // of load
		if took := p.stop(); took > stopLimit {
			t.Errorf("the stop took %v", took)
		}
		end()
	}
	p := serve(t, config, data)
	l.checkAll(p, f)
	if f.checked.Load() == 0 {
		t.Error("nothing was acknowledged")
	}
	p.stop()
}

// TestSecondSignal stops a server while a request does not come to its end, and does not wait for that.
func TestSecondSignal(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serve(t, "", data)
	at := minute()
	p.mustWrite(fmt.Sprintf("load,cluster=c,hostname=h value=1 %d\n", at))
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /api/write/ HTTP/1.1\r\nHost: granary\r\nContent-Length: 1000\r\n\r\nload,cluster=c,hostname=h value=2 %d\n", at+60)
	poll(t, "the request to be read", func() bool { return p.metric("granary_bodies_held_bytes") > 0 })
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	poll(t, "the listener to close", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	p.alive()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if p.ended(); time.Since(began) > stopLimit {
		t.Errorf("the second signal took %v", time.Since(began))
	}
	p = serve(t, "", data)
	expect(t, p, "c", selector{Metric: "load", Host: "h"}, at, 60, 1000)
	p.stop()
}

// TestLock lets a second program have the data folder of a running server.
func TestLock(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serve(t, "", data)
	at := minute()
	p.mustWrite(fmt.Sprintf("load,cluster=c,hostname=h value=1.5 %d\n", at))
	for _, args := range [][]string{
		{"serve", "--listen", "127.0.0.1:0", "--data", data},
		{"export", "--data", data},
		{"verify", data},
	} {
		code, _, errs := command(t, args...)
		if code != 1 || !strings.Contains(errs, data) || !strings.Contains(errs, "in use") {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
	p.alive()
	p.mustWrite(fmt.Sprintf("load,cluster=c,hostname=h value=2.5 %d\n", at+60))
	expect(t, p, "c", selector{Metric: "load", Host: "h"}, at, 60, 1500, 2500)
	p.kill()
	p = serve(t, "", data) // the lock ends with its owner
	expect(t, p, "c", selector{Metric: "load", Host: "h"}, at, 60, 1500, 2500)
	p.stop()
}
