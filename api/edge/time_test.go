package edge

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)

func TestParseTime(t *testing.T) {
	n := noon.UnixNano()
	for text, want := range map[string]int64{
		"now": n, "now-90m": n - 90*60e9, "now+1h": n + 3600e9, "-1h": n - 3600e9, "+5m": n + 300e9, "now-0": n, "now-90": n - 90e9, "now-1.5s": n - 15e8,
		"2026-01-31T12:00:00Z":              1769860800e9,
		"2026-01-31T12:00:00.5+02:00":       1769860800e9 - 7200e9 + 5e8,
		"1677-09-21T00:12:43.145224192Z":    math.MinInt64,
		"2262-04-11T23:47:16.854775807Z":    math.MaxInt64,
		"0":                                 0,
		"-0":                                0,
		"1769860800":                        1769860800e9,
		"1769860800.25":                     1769860800e9 + 25e7,
		"1.7698608e9":                       1769860800e9,
		"-1":                                -1e9,
		"99999999999":                       math.MinInt64, // out of range, see below
		"9223372036":                        9223372036e9,
		"100000000000":                      100000000000e6,
		"1769860800123":                     1769860800123e6,
		"1769860800123.5":                   1769860800123e6 + 500e3,
		"99999999999999":                    math.MinInt64,
		"100000000000000":                   100000000000000e3,
		"1769860800123456":                  1769860800123456e3,
		"100000000000000000":                100000000000000000,
		"1769860800123456789":               1769860800123456789,
		"9223372036854775807":               math.MaxInt64,
		"-9223372036854775807":              -math.MaxInt64,
		"1769860800123456789.9":             1769860800123456789,
		"1e-40":                             0,
		"0.000000001":                       1,
		"2026-01-31":                        time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC).UnixNano(),
		"0.0000000019":                      1,
		"1769860800.123456789":              1769860800123456789,
		"17698608000000000000000000000e-19": 17698608000000000000000000000e-19 * 1e9,
	} {
		got, err := ParseTime(text, noon)
		if want == math.MinInt64 && text[0] == '9' {
			if text == "99999999999" && err == nil { // 99,999,999,999 s do not fit
				t.Errorf("%s: %d", text, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	for text, reason := range map[string]string{
		"": notTime, "yesterday": notTime, "now ": notTime, "nowish": notTime, "now-": "behind its sign", "--1h": "behind its sign", "now-1": "", "now--1h": "behind its sign",
		"9223372036854775808": outOfRange, "-9223372036854775808": outOfRange, "1e30": outOfRange, "1e999": outOfRange, "123456789012345678901234567890": outOfRange,
		"NaN": notTime, "Inf": notTime, "0x10": notTime, "1_000": notTime, "01": "", "1.": "", ".5": "", "1e": notTime, " 1": notTime,
		"1677-09-21T00:12:43.145224191Z": outOfRange, "2262-04-11T23:47:16.854775808Z": outOfRange, "9999-12-31T23:59:59Z": outOfRange,
		"2026-02-30T00:00:00Z": notTime, "2026-1-31": notTime, "2026-13-31": notTime, "31-01-2026": notTime, "2026-01-31 12:00:00Z": notTime, "now-300y": "behind its sign", "now-15251w": "behind its sign",
		"-15000w": "", "now-1h1h": "behind its sign", strings.Repeat("9", 1000): outOfRange,
	} {
		got, err := ParseTime(text, noon)
		switch {
		case reason == "" && text == "now-1":
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
		case err == nil && reason != "":
			t.Errorf("%s: %d", text, got)
		case err != nil && (!strings.Contains(err.Error(), reason) || CodeOf(err) != "time-invalid" || len(err.Error()) > 500):
			t.Errorf("%s: %v", text, err)
		}
	}
	if v, err := ParseTimeIn("5", noon, time.Millisecond); v != 5e6 || err != nil {
		t.Error(v, err)
	}
	if _, err := ParseTime("-1h", time.Unix(0, math.MinInt64)); err == nil {
		t.Error("before the first time")
	}
	if _, err := ParseTime("+1h", time.Unix(0, math.MaxInt64)); err == nil {
		t.Error("behind the last time")
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90e9, "5m": 300e9, "1h30m": 5400e9, "7d": 7 * 24 * time.Hour, "1w": 7 * 24 * time.Hour, "1w2d3h4m5s6ms7us8ns": 9*24*time.Hour + 3*time.Hour + 4*time.Minute + 5*time.Second + 6*time.Millisecond + 7008,
		"90": 90e9, "0": 0, "0.5": 5e8, "1e3": 1000e9, "1.5h": 90 * time.Minute, "0s": 0, "7µs": 7000, "7μs": 7000, "0.000000001": 1, "9223372036.854775807": math.MaxInt64,
		"9223372036854775807ns": math.MaxInt64, "1.0000000000s": 1e9, "0.5ms": 5e5,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for text, reason := range map[string]string{
		"": notDuration, "s": notDuration, "1": "", "5 m": notDuration, "1y": notDuration, "1M": notDuration, "1H": notDuration, "1m1h": notDuration, "1s1s": notDuration, "1us1µs": "",
		"-5m": notDuration, "-5": "below zero", "+5m": notDuration, "1.5ns": tooFine, "0.0000000001": tooFine, "9223372036.854775808": tooLong, "15251w": tooLong,
		"15250w15250d": "", "106751d24h": tooLong, "99999999999999999999s": "", "1e40": tooLong, "1e41": notDuration, "1h-5m": notDuration, "1..5s": notDuration, "NaN": notDuration,
		"1h30": notDuration, strings.Repeat("1", 500): "",
	} {
		got, err := ParseDuration(text)
		if reason != "" && (err == nil || !strings.Contains(err.Error(), reason)) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if err == nil && got < 0 || err != nil && CodeOf(err) != "time-invalid" {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestTimeFormat(t *testing.T) {
	ns := noon.UnixNano()
	for name, want := range map[string]string{
		"": "1769860800123", "ms": "1769860800123", "s": "1769860800", "us": "1769860800123456", "ns": "1769860800123456789", "rfc3339": `"2026-01-31T12:00:00.123456789Z"`,
	} {
		f, err := ParseTimeFormat(name)
		if got := string(f.Append(nil, ns)); err != nil || got != want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if name != "" && f.String() != name {
			t.Errorf("%s is called %s", name, f)
		}
	}
	if got := string(Milliseconds.Append(nil, -1)); got != "-1" {
		t.Errorf("a nanosecond before 1970: %s", got)
	}
	if _, err := ParseTimeFormat("days"); err == nil {
		t.Error("days")
	}
}

// FuzzParseTime: a number is read as the exact value rounded towards zero, RFC 3339 as package time reads it, and nothing
// wraps around.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"now", "now-90m", "-1h", "2026-01-31T12:00:00Z", "1769860800.25", "1e18", "9223372036854775807", "-9223372036854775807", "1.5e-3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(s, noon)
		if err != nil {
			if KindOf(err) != Invalid || len(err.Error()) > 1000 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if v, perr := strconv.ParseInt(s, 10, 64); perr == nil && s[0] != '+' {
			unit := int64(1)
			switch a := max(v, -v); {
			case a < 1e11:
				unit = 1e9
			case a < 1e14:
				unit = 1e6
			case a < 1e17:
				unit = 1e3
			}
			if got != v*unit || got/unit != v {
				t.Fatalf("%q: %d", s, got)
			}
		}
		if at, perr := time.Parse(time.RFC3339Nano, s); perr == nil && !time.Unix(0, got).Equal(at) {
			t.Fatalf("%q: %d is not %v", s, got, at)
		}
		// What is written is read again.
		if back, err := ParseTime(strings.Trim(string(RFC3339.Append(nil, got)), `"`), noon); err != nil || back != got {
			t.Fatalf("%q: %d, then %d, %v", s, got, back, err)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"90s", "1h30m", "7d", "1w2d", "0.5", "1.5h", "1e3", "9223372036.854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseDuration(s)
		if err != nil {
			if KindOf(err) != Invalid || len(err.Error()) > 1000 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if got < 0 {
			t.Fatalf("%q: %v", s, got)
		}
		if want, perr := time.ParseDuration(s); perr == nil && s != "0" && want != got && !strings.ContainsAny(s, ".") {
			t.Fatalf("%q: %v, time.ParseDuration says %v", s, got, want)
		}
		if back, err := ParseDuration(got.String()); err != nil || back != got {
			t.Fatalf("%q: %v, then %v, %v", s, got, back, err)
		}
	})
}
