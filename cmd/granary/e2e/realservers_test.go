//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// realServer is a server of another project that runs for a test, on a free port of this machine, with a folder of its own.
type realServer struct {
	t      *testing.T
	cmd    *exec.Cmd
	log    *logLines
	client *http.Client
	url    string
	config string // the path of its configuration
	exited chan struct{}
}

// program is the path of a program of a Debian package; the test is skipped where there is none, unless the environment says that
// there is one.
func program(t *testing.T, name, debian, variable string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	text := "there is no command " + name + " on this machine (Debian: apt-get install " + debian + ")"
	if os.Getenv(variable) == "required" {
		t.Fatal(text)
	}
	t.Skip(text)
	return ""
}

// startPrometheus starts a Prometheus and waits until it is ready. Its configuration may be JSON, which is YAML too.
func startPrometheus(t *testing.T, config object, more ...string) *realServer {
	t.Helper()
	path, dir := program(t, "prometheus", "prometheus", "GRANARY_E2E_PROMETHEUS"), t.TempDir()
	file := configFile(t, filepath.Join(dir, "prometheus.yml"), config)
	s := startReal(t, path, append([]string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0"}, more...)...)
	s.config = file
	s.url = "http://" + s.log.await(t, regexp.MustCompile(`msg="?Listening on"? address=(\S+)`))[1]
	s.await("/-/ready", http.StatusOK)
	return s
}

// startInfluxDB starts an InfluxDB 1.x without users and waits until it is ready.
func startInfluxDB(t *testing.T) *realServer {
	t.Helper()
	path, dir := program(t, "influxd", "influxdb", "GRANARY_E2E_INFLUXDB"), t.TempDir()
	file := filepath.Join(dir, "influxdb.conf")
	quoted := func(parts ...string) string {
		b, err := json.Marshal(filepath.Join(append([]string{dir}, parts...)...))
		must(t, err)
		return string(b)
	}
	must(t, os.WriteFile(file, []byte("reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n"+
		"[meta]\ndir = "+quoted("meta")+"\n"+
		"[data]\ndir = "+quoted("data")+"\nwal-dir = "+quoted("wal")+"\n"+
		"[monitor]\nstore-enabled = false\n"+
		"[http]\nbind-address = \"127.0.0.1:0\"\nlog-enabled = false\n"), 0o600))
	s := startReal(t, path, "-config", file)
	s.config = file
	s.url = "http://" + s.log.await(t, regexp.MustCompile(`msg="Listening on HTTP" .*addr=(\S+)`))[1]
	s.await("/ping", http.StatusNoContent)
	return s
}

// startReal starts a program whose log says where it listens.
func startReal(t *testing.T, path string, args ...string) *realServer {
	t.Helper()
	s := &realServer{t: t, log: newLogLines(), client: &http.Client{Timeout: patience, Transport: &http.Transport{}}, exited: make(chan struct{})}
	s.cmd = exec.Command(path, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	must(t, s.cmd.Start())
	go func() {
		_ = s.cmd.Wait() // what it says is in its log
		s.log.end()
		close(s.exited)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended already
		<-s.exited
		s.client.CloseIdleConnections()
	})
	return s
}

// await asks until the server answers with a status.
func (s *realServer) await(path string, want int) {
	s.t.Helper()
	poll(s.t, path+" of "+filepath.Base(s.cmd.Path), func() bool {
		select {
		case <-s.exited:
			s.t.Fatalf("%s has ended\n%s", s.cmd.Path, s.log)
		default:
		}
		status, _ := s.do(http.MethodGet, path, nil)
		return status == want
	})
}

// do sends a request; an error of the connection is status 0.
func (s *realServer) do(method, path string, body io.Reader) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, body)
	must(s.t, err)
	return exchange(s.client, req)
}

// reload gives the server another configuration, as SIGHUP lets Prometheus read it, and waits until it says that it has it.
func (s *realServer) reload(config object) {
	s.t.Helper()
	loaded := regexp.MustCompile(`(?s)(.*msg="Completed loading of configuration file")`)
	before := len(s.log.await(s.t, loaded)[1])
	configFile(s.t, s.config, config)
	must(s.t, s.cmd.Process.Signal(syscall.SIGHUP))
	poll(s.t, "the configuration to be loaded", func() bool { return len(s.log.find(loaded)[1]) > before })
}

// end sends SIGTERM and waits.
func (s *realServer) end() {
	s.t.Helper()
	must(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.t.Fatalf("%s goes on after SIGTERM\n%s", s.cmd.Path, s.log)
	}
}

// run runs a program of somebody else's.
func run(t *testing.T, stdin, name string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	// The shell remembers what was typed in the home folder.
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "PYTHONDONTWRITEBYTECODE=1")
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), b.String()
}

// pythonWith is a Python that has a library of Debian's; the test is skipped where there is none, unless the environment says that there
// is one.
func pythonWith(t *testing.T, library, variable string) string {
	t.Helper()
	said := ""
	for _, python := range []string{"/usr/bin/python3", "python3"} { // the system's has what Debian installs
		if path, err := exec.LookPath(python); err == nil {
			code, out := run(t, "", path, "-c", "import "+library)
			if code == 0 {
				return path
			}
			said = out
		}
	}
	text := "there is no Python library " + library + " on this machine (Debian: apt-get install python3-" + library + ") " + said
	if os.Getenv(variable) == "required" {
		t.Fatal(text)
	}
	t.Skip(text)
	return ""
}

// TestRealServers starts the servers of other projects that other tests need, gives them something, reads it and ends them.
func TestRealServers(t *testing.T) {
	t.Parallel()
	t.Run("prometheus", func(t *testing.T) {
		t.Parallel()
		s := startPrometheus(t, object{"global": object{"external_labels": object{"site": "one"}}})
		s.reload(object{"global": object{"external_labels": object{"site": "two"}}})
		if status, body := s.do(http.MethodGet, "/api/v1/query?query=vector(7)", nil); status != http.StatusOK || !regexp.MustCompile(`"7"`).Match(body) {
			t.Errorf("query: %d %s", status, body)
		}
		if _, body := s.do(http.MethodGet, "/api/v1/status/config", nil); !regexp.MustCompile(`site: two`).Match(body) {
			t.Errorf("configuration: %s", body)
		}
		s.end()
	})
	t.Run("influxdb", func(t *testing.T) {
		t.Parallel()
		s := startInfluxDB(t)
		if status, body := s.do(http.MethodPost, "/query?q=CREATE+DATABASE+one", nil); status != http.StatusOK {
			t.Fatalf("create database: %d %s", status, body)
		}
		if status, body := s.do(http.MethodGet, "/query?q=SHOW+DATABASES", nil); status != http.StatusOK || !regexp.MustCompile(`"one"`).Match(body) {
			t.Errorf("databases: %d %s", status, body)
		}
		s.end()
	})
}
