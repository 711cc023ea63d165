package operations

import (
	"fmt"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/when"
	"granary/policy"
)

// Ref names a series: a metric, by its id or by a name that may be a pattern, and the method of its stored aggregates.
type Ref struct{ Name, Method string }

// Operations is what is to be computed.
type Operations struct {
	root *node
	// Refs are the series that are named, each once, in the order in which they are.
	Refs []Ref
}

// kind says what a node does.
type kind uint8

const (
	constant kind = iota
	metric        // the series of refs
	across        // of each row one value
	rolling       // of so many rows one
	resample      // of each span one row
	unary
	change // from row to row
	binary
	clip
)

// node is one operation.
type node struct {
	kind kind
	name string // as it was written
	args []*node

	number float64                    // of a constant
	refs   []Ref                      // of a metric
	places map[int]bool               // of a metric: which of Operations.Refs it names
	reduce reduction                  // of aggregate and rolling
	window int                        // of rolling: rows
	method policy.Method              // of resample
	span   int64                      // of resample, nanoseconds
	one    func(x float64) float64    // of unary
	two    func(x, y float64) float64 // of binary
	perSec bool                       // of change
}

// series says whether a node gives series, and not a number.
func (n *node) series() bool {
	if n.kind == constant {
		return false
	}
	if n.kind == metric {
		return true
	}
	for _, a := range n.args {
		if a.series() {
			return true
		}
	}
	return false
}

// tree is the operation as a JSON value: what stands in errors.
func (n *node) tree() any {
	if n.kind == constant {
		return n.number
	}
	list := []any{n.name}
	if n.kind == metric && len(n.refs) == 1 {
		return append(list, n.refs[0].Name, n.refs[0].Method)
	}
	for _, r := range n.refs {
		list = append(list, []any{r.Name, r.Method})
	}
	switch n.kind {
	case across, rolling:
		list = append(list, n.reduce.name)
	case resample:
		list = append(list, n.method.String(), when.Seconds(n.span))
	}
	if n.kind == rolling {
		list = append(list, n.window)
	}
	for _, a := range n.args {
		list = append(list, a.tree())
	}
	return list
}

// String is the operation as Python shows it.
func (n *node) String() string { return string(pyjson.AppendRepr(nil, n.tree())) }

// refer lists the series of a node and of those below. places are those of the ones that are listed.
func (o *Operations) refer(n *node, places map[Ref]int) {
	if n.kind == metric {
		n.places = make(map[int]bool, len(n.refs))
	}
	for _, r := range n.refs {
		i, ok := places[r]
		if !ok {
			i = len(o.Refs)
			places[r] = i
			o.Refs = append(o.Refs, r)
		}
		n.places[i] = true
	}
	for _, a := range n.args {
		o.refer(a, places)
	}
}

// Bounds of a tree. What is beyond them is refused.
const (
	MaxDepth      = 64     // operations in each other
	MaxOperations = 1000   // and numbers, in all
	MaxRefs       = 10_000 // series that are named
	MaxText       = 1 << 20
)

// LimitError refuses operations that are too large.
type LimitError struct {
	Limit int
	What  string // that there may be so many of
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("operations have at most %d %s", e.Limit, e.What)
}

// Kind is "invalid".
func (*LimitError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*LimitError) Code() string { return "query-too-large" }

// Error refuses operations that are well formed and make no sense.
type Error struct {
	Reason string
	Detail any // a JSON value
}

// Error implements error.
func (e *Error) Error() string { return "operations: " + e.Reason }

// Kind is "invalid".
func (*Error) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*Error) Code() string { return "query-invalid" }
