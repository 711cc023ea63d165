package tenant

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

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
	return 0, fmt.Errorf("%q is no size", s[:min(len(s), 100)])
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

// Nearest is the known name that was probably meant, "" if none is near.
func Nearest(key string, known []string) string {
	if len(key) > 64 {
		return ""
	}
	best, bestAt := "", 3
	for _, k := range known {
		if strings.EqualFold(k, key) || strings.ReplaceAll(key, "_", "-") == k {
			return k
		}
		if d := distance(key, k); d < bestAt && d < len(k) {
			best, bestAt = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short texts, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
