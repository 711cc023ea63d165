//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestFirstWrites sends lines from the moment on at which a new server listens. What it takes must lie on the grid of the
// configuration: on a coarser one samples overwrite each other.
func TestFirstWrites(t *testing.T) {
	dir := t.TempDir()
	config := configFile(t, filepath.Join(dir, "config.json"), crashConfig("never"))
	at := minute()
	for round := range 12 {
		p := listen(t, config, filepath.Join(dir, fmt.Sprint("data", round)))
		var wg sync.WaitGroup
		for sender := range 3 {
			wg.Go(func() {
				end := time.Now().Add(patience)
				for taken := 0; taken < 30 && time.Now().Before(end); {
					status, _, answer := p.write(fmt.Sprintf("load_one,cluster=c,hostname=n%d value=%d %d\n", sender, taken, at+int64(taken)))
					switch status {
					case http.StatusOK:
						taken++
					case http.StatusServiceUnavailable:
					default:
						t.Errorf("%d %s", status, answer)
						return
					}
				}
			})
		}
		wg.Wait()
		for sender := range 3 {
			var want []int64
			for i := range int64(30) {
				want = append(want, 1000*i)
			}
			expect(t, p, "c", selector{Metric: "load_one", Host: fmt.Sprint("n", sender)}, at, 1, want...)
		}
		p.kill()
	}
}

// TestStopAtStart stops a server as soon as it says that it is ready, or sooner: that is no failure.
func TestStopAtStart(t *testing.T) {
	config := configFile(t, filepath.Join(t.TempDir(), "config.json"), crashConfig("never"))
	for round := range 12 {
		data := filepath.Join(t.TempDir(), "data")
		p := listen(t, config, data)
		if round%2 == 0 {
			p.ready()
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := p.ended(); code != 0 || strings.Contains(p.log.String(), "level=ERROR") {
			t.Errorf("exit code %d\n%s", code, p.log)
		}
	}
}
