package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"granary/tenant"
)

// reader collects what is wrong and what is doubtful in the files of one Load.
type reader struct {
	errs  []error
	warns []Warning
	// keys, if not nil, is called for each key that a section knows, so that a test can hold the documentation against it.
	keys func(path string)
}

// err joins what is wrong, by file and line.
func (r *reader) err() error {
	sortByPlace(r.errs, func(err error) (string, int) {
		var e *Error
		if errors.As(err, &e) {
			return e.File, e.Line
		}
		return "", 0
	})
	return errors.Join(r.errs...)
}

func (r *reader) sortWarnings() {
	sortByPlace(r.warns, func(w Warning) (string, int) { return w.File, w.Line })
}

// sortByPlace sorts by line, and leaves files in the order in which they come first.
func sortByPlace[T any](list []T, place func(T) (file string, line int)) {
	var files []string
	for _, x := range list {
		if file, _ := place(x); !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	slices.SortStableFunc(list, func(a, b T) int {
		fa, la := place(a)
		fb, lb := place(b)
		return cmp.Or(cmp.Compare(slices.Index(files, fa), slices.Index(files, fb)), cmp.Compare(la, lb))
	})
}

// section reads the members of one object. Each method takes one key; a key that is absent or null leaves the target as it is.
// A section of an absent object knows its keys and finds none.
type section struct {
	r     *reader
	n     *node // nil if absent
	path  string
	known []string
	said  []string // keys that nobody knows, of which enough has been said
}

// section gives the object under n; anything else is an error. n may be nil.
func (r *reader) section(n *node, path string) *section {
	if n != nil && n.kind == null {
		n = nil
	}
	if n != nil && n.kind != object {
		r.wrong(n, path, "an object")
		n = nil
	}
	return &section{r: r, n: n, path: path}
}

func (r *reader) wrong(n *node, path, expected string) {
	r.errs = append(r.errs, &Error{n.file, n.line, path, "expected " + expected + ", found " + n.show()})
}

// get gives the value of a key, nil if absent or null.
func (s *section) get(key string) *node {
	if !slices.Contains(s.known, key) {
		s.known = append(s.known, key)
	}
	if s.r.keys != nil {
		s.r.keys(join(s.path, key))
	}
	if s.n == nil {
		return nil
	}
	n := s.n.find(key)
	if n != nil && n.kind == null {
		return nil
	}
	return n
}

func (s *section) sub(key string) *section { return s.r.section(s.get(key), join(s.path, key)) }

func (s *section) wrong(n *node, key, expected string) { s.r.wrong(n, join(s.path, key), expected) }

func (s *section) warn(n *node, kind WarningKind, key, format string, args ...any) {
	s.r.warns = append(s.r.warns, Warning{kind, n.file, n.line, join(s.path, key), fmt.Sprintf(format, args...)})
}

// end reports the members that nobody has asked for: as errors, or as warnings where the peer does not mind.
func (s *section) end(strict bool) {
	if s.n == nil {
		return
	}
	for _, m := range s.n.members {
		if slices.Contains(s.known, m.key) || slices.Contains(s.said, m.key) {
			continue
		}
		hint := "expected one of " + strings.Join(s.known, ", ")
		if near := cmp.Or(tenant.Nearest(m.key, s.known), longest(m.key, s.known)); near != "" {
			hint = "did you mean " + near + "?"
		}
		e := &Error{s.n.file, m.line, join(s.path, m.key), "unknown key; " + hint}
		if strict {
			s.r.errs = append(s.r.errs, e)
		} else {
			s.r.warns = append(s.r.warns, Warning{Unknown, e.File, e.Line, e.Key, e.Text})
		}
	}
}

// longest is the longest known key that another one ends with: "alerts-server" is server among alerts.
func longest(key string, known []string) (best string) {
	for _, k := range known {
		if strings.HasSuffix(key, "-"+k) && len(k) > len(best) {
			best = k
		}
	}
	return best
}

// text reads a text. If allowed is given, it must be one of these.
func (s *section) text(key string, dst *string, allowed ...string) {
	n := s.get(key)
	if n == nil {
		return
	}
	if n.kind != text {
		s.wrong(n, key, "a text")
		return
	}
	if len(allowed) > 0 && !slices.Contains(allowed, n.text) {
		s.wrong(n, key, "one of "+strings.Join(allowed, ", "))
		return
	}
	*dst = n.text
}

// secret reads a text that no error may quote.
func (s *section) secret(key string, dst *Secret) {
	n := s.get(key)
	if n == nil {
		return
	}
	if n.kind != text {
		s.r.errs = append(s.r.errs, &Error{n.file, n.line, join(s.path, key), "expected a text, found " + kindName(n.kind)})
		return
	}
	*dst = Secret(n.text)
}

func (s *section) bool(key string, dst *bool) {
	n := s.get(key)
	if n == nil {
		return
	}
	if n.kind != boolean {
		s.wrong(n, key, "true or false")
		return
	}
	*dst = n.text == "true"
}

// integer reads a whole number between low and high.
func (s *section) integer(key string, dst *int64, low, high int64) {
	n := s.get(key)
	if n == nil {
		return
	}
	v, err := strconv.ParseInt(n.text, 10, 64)
	if n.kind != number || err != nil || v < low || v > high {
		s.wrong(n, key, "a whole number"+between(low, high))
		return
	}
	*dst = v
}

func between(low, high int64) string {
	switch {
	case high == math.MaxInt64 && low == math.MinInt64:
		return ""
	case high == math.MaxInt64:
		return fmt.Sprintf(", %d or more", low)
	default:
		return fmt.Sprintf(" from %d to %d", low, high)
	}
}

// duration reads a duration of low or more. If none is given, the text "none" gives that value.
func (s *section) duration(key string, dst *time.Duration, low time.Duration, none ...time.Duration) {
	n := s.get(key)
	if n == nil {
		return
	}
	if len(none) > 0 && n.kind == text && n.text == "none" {
		*dst = none[0]
		return
	}
	d, err := ParseDuration(n.text)
	if (n.kind != text && n.text != "0") || err != nil || d < low {
		expected := `a duration such as "90s", "48h" or "7d"`
		if low > 0 {
			expected += fmt.Sprintf(", %v or more", low)
		}
		if len(none) > 0 {
			expected += `, or "none"`
		}
		s.wrong(n, key, expected)
		return
	}
	*dst = d
}

// size reads a number of bytes between low and high, as a number or as a text with a unit.
func (s *section) size(key string, dst *int64, low, high int64) {
	n := s.get(key)
	if n == nil {
		return
	}
	v, err := tenant.ParseSize(n.text)
	if (n.kind != text && n.kind != number) || err != nil || v < low || v > high {
		s.wrong(n, key, `a size such as 65536, "64KiB" or "8GB"`+sizeBetween(low, high))
		return
	}
	*dst = v
}

func sizeBetween(low, high int64) string {
	if high == math.MaxInt64 {
		if low == 0 {
			return ""
		}
		return ", at least " + tenant.FormatSize(low)
	}
	return ", from " + tenant.FormatSize(low) + " to " + tenant.FormatSize(high)
}

// noEffect reads a key that changes nothing here, and checks no more than that its kind is right.
func (s *section) noEffect(key string, kinds ...kind) {
	n := s.get(key)
	if n == nil {
		return
	}
	if !slices.Contains(kinds, n.kind) {
		s.wrong(n, key, kindName(kinds[0]))
		return
	}
	s.warn(n, NoEffect, key, "is accepted without effect")
}

func kindName(k kind) string {
	return [...]string{"null", "true or false", "a number", "a text", "a list", "an object"}[k]
}

// join appends a key to a path. A key that a path could be mistaken for is quoted.
func join(path, key string) string {
	if key == "" || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c == '.' || c == '"' || c == 0x7f }) {
		key = strconv.Quote(shorten(key))
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
