package when

import (
	"math"
	"strconv"
	"strings"

	"granary/api/edge"
)

// size says what came of a number that was multiplied by a unit.
type size uint8

const (
	none      size = iota // it is no number
	fits                  // into 64 bits
	low                   // it does not, and is negative
	high                  // it does not, and is positive
	undefined             // nan or infinite
)

// Float reads a number as Python's float does: white space around it, a sign, underscores between digits, nan and inf in any case.
func Float(text string) (float64, bool) {
	s, ok := plain(text)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil || v-v != 0 // beyond the range it is infinite, as there
}

func isNumber(text string) bool {
	_, ok := Float(text)
	return ok
}

// plain is the text of a number without what only Python takes.
func plain(text string) (string, bool) {
	s := strings.TrimSpace(text)
	if s == "" {
		return "", false
	}
	if strings.IndexByte(s, '_') >= 0 {
		for i := range len(s) {
			if s[i] == '_' && (i == 0 || i == len(s)-1 || !digit(s[i-1]) || !digit(s[i+1])) {
				return "", false
			}
		}
		s = strings.ReplaceAll(s, "_", "")
	}
	for i := range len(s) {
		switch c := s[i]; {
		case digit(c), c == '.', c == '+', c == '-', c|0x20 == 'e':
		default: // the words, and nothing that Go reads beyond them
			switch strings.ToLower(strings.TrimLeft(s, "+-")) {
			case "nan", "inf", "infinity":
				return s, true
			}
			return "", false
		}
	}
	return s, true
}

func digit(c byte) bool { return c-'0' <= 9 }

// scaled is a number times a unit, with what is behind the point cut off.
func scaled(text string, unit uint64) (int64, size) {
	if n, ok := edge.Scaled(text, unit); ok { // as it mostly is
		return n, fits
	}
	s, ok := plain(text)
	if !ok {
		return 0, none
	}
	v, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil && v-v == 0:
		return 0, none
	case err == nil && v-v != 0:
		return 0, undefined
	}
	if n, ok := edge.Scaled(jsonForm(s), unit); ok {
		return n, fits
	}
	// It has more digits than can be held exactly, or an exponent of its own kind.
	switch v *= float64(unit); {
	case v >= math.MaxInt64:
		return 0, high
	case v <= math.MinInt64:
		return 0, low
	}
	return int64(v), fits
}

// jsonForm is a number without what JSON does not take: a plus, zeros in front, nothing on one side of the point.
func jsonForm(s string) string {
	s, negative := strings.CutPrefix(s, "-")
	s = strings.TrimLeft(strings.TrimPrefix(s, "+"), "0")
	if s == "" || !digit(s[0]) {
		s = "0" + s
	}
	if i := strings.IndexByte(s, '.'); i >= 0 && (i+1 == len(s) || !digit(s[i+1])) {
		s = s[:i] + s[i+1:]
	}
	if negative {
		return "-" + s
	}
	return s
}
