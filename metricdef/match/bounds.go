package match

import (
	"errors"
	"fmt"
)

// Limits of one expression.
const (
	// MaxDepth is how many levels of And, Or and Not may lie above a matcher.
	MaxDepth = 64
	// MaxMatchers is how many matchers an expression may have.
	MaxMatchers = 1 << 12

	// maxWeight bounds the bytes that the matchers of one expression hold together: a regular expression of a few bytes
	// can stand for a megabyte.
	maxWeight = 16 << 20
)

var (
	errDepth    = fmt.Errorf("more than %d levels of conditions", MaxDepth)
	errMatchers = fmt.Errorf("more than %d matchers", MaxMatchers)
	errWeight   = errors.New("the regular expressions and values are too large together")
)

// Bounds counts the matchers of one expression while it is put together, so that it is refused before it has become too
// large. The zero value is ready.
type Bounds struct{ matchers, weight int }

// Add counts one matcher more.
func (b *Bounds) Add(m *Matcher) error {
	if b.matchers++; b.matchers > MaxMatchers {
		return errMatchers
	}
	if b.weight += m.weight; b.weight > maxWeight {
		return errWeight
	}
	return nil
}

// AddAll counts all matchers of an expression.
func (b *Bounds) AddAll(e Expr) error {
	var parts []Expr
	switch e := e.(type) {
	case *Matcher:
		return b.Add(e)
	case And:
		parts = e
	case Or:
		parts = e
	case Not:
		parts = []Expr{e.Expr}
	}
	for _, part := range parts {
		if err := b.AddAll(part); err != nil {
			return err
		}
	}
	return nil
}

// CheckDepth refuses a level that has too many others above it; the outermost has none.
func CheckDepth(above int) error {
	if above > MaxDepth {
		return errDepth
	}
	return nil
}
