package policy

import (
	"fmt"
	"slices"
	"strings"
)

// MaxMethodList is how many entries a list of methods may have.
const MaxMethodList = 1000

// DefaultMethods are the methods of a policy that names none: mean, min, max, sum, std, count.
func DefaultMethods() []Method { return []Method{Sum, Mean, Min, Max, Count, Std} }

// MethodList says what a list of methods means, in ascending order, each once. An entry is the name of a method, "*" for all
// of those given, "+NAME" for one more, or "-NAME" for one less. Where nothing but entries with a sign are given, or none, they
// change the given defaults. A sign in front counts last, whatever its place: first what is added, then what is taken away.
// The error is a *MethodError, or an *InvalidError for too many entries.
func MethodList(list []string, defaults, everything []Method) ([]Method, error) {
	if len(list) > MaxMethodList {
		return nil, &InvalidError{What: "policy", Field: "methods", Text: fmt.Sprintf("there are %d entries, at most %d are possible", len(list), MaxMethodList)}
	}
	var base, more, less []Method
	all, named := false, false
	for _, text := range list {
		if text == "*" {
			all = true
			continue
		}
		name, to := text, &base
		if rest, ok := strings.CutPrefix(text, "+"); ok {
			name, to = rest, &more
		} else if rest, ok := strings.CutPrefix(text, "-"); ok {
			name, to = rest, &less
		} else {
			named = true
		}
		m, err := ParseMethod(name)
		if err != nil {
			return nil, &MethodError{text}
		}
		*to = append(*to, m)
	}
	switch {
	case all:
		base = append(base, everything...)
	case !named:
		base = slices.Clone(defaults)
	}
	base = append(base, more...)
	base = slices.DeleteFunc(base, func(m Method) bool { return slices.Contains(less, m) })
	slices.Sort(base)
	return slices.Compact(base), nil
}
