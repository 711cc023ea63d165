package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"granary/cmd/granary/config"
)

func TestLogger(t *testing.T) {
	for _, c := range []struct {
		log  config.Log
		want []string
	}{
		{config.Log{Level: slog.LevelInfo}, []string{"level=INFO msg=two", "level=ERROR msg=three"}},
		{config.Log{Level: slog.LevelDebug}, []string{"level=DEBUG msg=one", "level=INFO msg=two", "level=ERROR msg=three"}},
		{config.Log{Level: slog.LevelError, JSON: true}, []string{`"level":"ERROR","msg":"three"}`}},
	} {
		var out bytes.Buffer
		log := newLogger(&out, c.log)
		log.Debug("one")
		log.Info("two")
		log.Error("three")
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != len(c.want) {
			t.Errorf("%+v: %q", c.log, lines)
			continue
		}
		for i, want := range c.want {
			if !strings.HasSuffix(lines[i], want) {
				t.Errorf("%+v: %q, want %q at its end", c.log, lines[i], want)
			}
		}
	}
}
