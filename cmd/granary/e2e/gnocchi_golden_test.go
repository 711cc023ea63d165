//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestGnocchiGolden lets the tools that go with the recorded exchanges with Gnocchi play them to the program, with a new store whenever
// they want one, and compare its answers.
func TestGnocchiGolden(t *testing.T) {
	shared, err := filepath.Abs(filepath.FromSlash("../../../../shared"))
	must(t, err)
	golden, tools := filepath.Join(shared, "golden", "gnocchi.jsonl"), filepath.Join(shared, "tools", "gnocchi")
	if _, err := os.Stat(golden); err != nil {
		t.Skipf("the recording is not part of the repository, and there is none at %s", golden)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 to play the recording with")
	}
	dir := t.TempDir()
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"compat": object{"gnocchi": object{
		"cors-origins": []string{"http://foobar.com"}, "proxy-headers": true}}}})

	// What plays knows one address; behind it is always the newest program.
	var behind atomic.Pointer[url.URL]
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind.Load())
		r.Out.Host = r.In.Host
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix"} {
			if values, ok := r.In.Header[name]; ok {
				r.Out.Header[name] = values
			}
		}
	}})
	defer front.Close()
	asked, renewed := make(chan struct{}), make(chan struct{})
	door := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-renewed
	}))
	defer door.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	out := filepath.Join(dir, "answers.jsonl")
	play := exec.CommandContext(ctx, python, filepath.Join(tools, "play.py"), out)
	play.Env = append(os.Environ(), "BASIC="+strings.TrimPrefix(front.URL, "http://"), "PYTHONDONTWRITEBYTECODE=1",
		fmt.Sprintf(`RESET_LIVE='%s' -c "import urllib.request; urllib.request.urlopen('%s')"`, python, door.URL))
	played := make(chan error, 1)
	go func() {
		text, err := play.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, text)
		}
		played <- err
	}()
	var p *process
	for n, playing := 0, true; playing; n++ {
		select {
		case <-asked:
			if p != nil {
				p.stop()
			}
			p = serve(t, config, filepath.Join(dir, fmt.Sprint("data", n)))
			u, err := url.Parse(p.url)
			must(t, err)
			behind.Store(u)
			renewed <- struct{}{}
		case err := <-played:
			must(t, err)
			playing = false
		case <-time.After(10 * patience):
			t.Fatal("the recording is played for ever")
		}
	}
	p.stop()
	text, err := exec.CommandContext(ctx, python, filepath.Join(tools, "diff.py"), golden, out, "--differs", filepath.FromSlash("../../../compat/gnocchi/differs.txt")).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, text)
	}
	t.Logf("%s", text)
}
