package config

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"granary/tenant"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "48h": 48 * time.Hour, "1h30m": 90 * time.Minute, "7d": 7 * day, "1w": 7 * day,
		"1w2d12h": 9*day + 12*time.Hour, "-1d": -day, "+2d": 2 * day, "1.5h": 90 * time.Minute, "876000h": 876000 * time.Hour, "-1h": -time.Hour,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "d", "7", "1.5d", "2d1w", "--1s", "-+1s", "7d ", "7D", "99999999999d", "106751d24h", "1d-1h", "1y"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v", s, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "65536": 65536, "64KiB": 65536, "8GB": 8e9, "1.5 GiB": 3 << 29, "10B": 10, "2kB": 2000, "2KB": 2000, "1TiB": 1 << 40,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, err := tenant.ParseSize(s); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "B", "-1", "-1kB", "1e3B", "0x1B", "NaNB", "InfGB", "8G", "8gb", "99999999999TB", "1..2kB", "1_0kB"} {
		if got, err := tenant.ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %v", s, got)
		}
	}
	for n, want := range map[int64]string{0: "0B", 1: "1B", 1024: "1KiB", 1500: "1500B", 2000: "2kB", 3 << 29: "1536MiB", 100e9: "100GB", 1 << 50: "1024TiB"} {
		if got := tenant.FormatSize(n); got != want {
			t.Errorf("FormatSize(%d) = %s", n, got)
		}
		if got, err := tenant.ParseSize(tenant.FormatSize(n)); err != nil || got != n {
			t.Errorf("the size %d reads back as %d, %v", n, got, err)
		}
	}
}

func TestSecretIsHidden(t *testing.T) {
	c := Default()
	c.NATS.Password, c.Backend.Token = "hush", "hush"
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(format, c.NATS) + fmt.Sprintf(format, c.Backend); len(s) == 0 || strings.Contains(s, "hush") {
			t.Errorf("%s prints %s", format, s)
		}
	}
}
