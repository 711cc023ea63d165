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
