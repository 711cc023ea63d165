package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration as time.ParseDuration does, and the units "d" (24 h) and "w" (7 d) before those:
// "7d", "1w2d", "1d12h", "0".
func ParseDuration(s string) (time.Duration, error) {
	bad := func() (time.Duration, error) { return 0, fmt.Errorf("%q is no duration", shorten(s)) }
	rest, negative := strings.CutPrefix(s, "-")
	if !negative {
		rest = strings.TrimPrefix(rest, "+")
	}
	var sum time.Duration
	seen := false
	for _, u := range []struct {
		name string
		len  time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		i := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
		if i <= 0 || rest[i:i+1] != u.name {
			continue
		}
		n, err := strconv.ParseInt(rest[:i], 10, 64)
		if err != nil || n > int64((math.MaxInt64-sum)/u.len) {
			return bad()
		}
		sum += time.Duration(n) * u.len
		rest = rest[i+1:]
		seen = true
	}
	if rest == "" && seen {
		if negative {
			sum = -sum
		}
		return sum, nil
	}
	if rest == "" || rest[0] == '-' || rest[0] == '+' {
		return bad()
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d > math.MaxInt64-sum {
		return bad()
	}
	sum += d
	if negative {
		sum = -sum
	}
	return sum, nil
}

var sizeUnits = []struct {
	name string
	len  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseSize reads a number of bytes: digits alone, or a decimal number with one of the units B, kB, MB, GB, TB (powers of
// 1000) and KiB, MiB, GiB, TiB (powers of 1024).
func ParseSize(s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return n, nil
	}
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		digits = strings.TrimSpace(digits)
		if strings.Trim(digits, "0123456789.") != "" {
			break
		}
		f, err := strconv.ParseFloat(digits, 64)
		if v := f * u.len; err == nil && v < 1<<62 {
			return int64(math.Round(v)), nil
		}
		break
	}
	return 0, fmt.Errorf("%q is no size", shorten(s))
}

// FormatSize writes a number of bytes exactly, in the unit of 1024 or of 1000 that leaves the smallest number.
func FormatSize(n int64) string {
	best, unit := n, "B"
	for _, u := range sizeUnits {
		if size := int64(u.len); n != 0 && n%size == 0 && n/size < best {
			best, unit = n/size, u.name
		}
	}
	return strconv.FormatInt(best, 10) + unit
}
