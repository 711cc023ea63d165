package config

import (
	"fmt"
	"slices"
)

// kind is the kind of a value, as JSON knows them.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// node is one value of a file, JSON or YAML, with the line where it stands.
type node struct {
	kind    kind
	text    string // of a scalar: the number as written, the text, "true" or "false"
	items   []*node
	members []member
	file    string
	line    int
}

type member struct {
	key   string
	value *node
	line  int
}

// maxDepth and maxNodes bound what a file can make the parsers build; aliases let a short YAML file ask for gigabytes.
const (
	maxDepth = 32
	maxNodes = 200_000
)

// show is the value as an error message quotes it.
func (n *node) show() string {
	switch n.kind {
	case null:
		return "null"
	case boolean, number:
		return shorten(n.text)
	case text:
		return fmt.Sprintf("%q", shorten(n.text))
	case list:
		return "a list"
	default:
		return "an object"
	}
}

func shorten(s string) string {
	const limit = 60
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}

func (n *node) find(key string) *node {
	if i := slices.IndexFunc(n.members, func(m member) bool { return m.key == key }); i >= 0 {
		return n.members[i].value
	}
	return nil
}

// Error says what is wrong with a file and what was expected instead.
type Error struct {
	File string
	Line int    // 0 if the fault has no line
	Key  string // path of the key, "metrics.cpu_load.frequency"; "" if it is about the whole file
	Text string
}

func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, e.Line)
	}
	if e.Key == "" {
		return where + ": " + e.Text
	}
	return where + ": " + e.Key + ": " + e.Text
}

// Kind is "invalid".
func (*Error) Kind() string { return "invalid" }

// WarningKind says what a warning is about.
type WarningKind uint8

const (
	// Unknown is a key that nobody reads, where cc-metric-store does not mind either.
	Unknown WarningKind = iota
	// NoEffect is a key of cc-metric-store that is accepted and changes nothing here. Only the command check tells.
	NoEffect
	// Doubtful is a value that is taken, but hardly as it was meant.
	Doubtful
)

// Warning is something in a file that does not keep the program from starting.
type Warning struct {
	Kind WarningKind
	File string
	Line int
	Key  string
	Text string
}

// String is the warning in the form of an Error.
func (w Warning) String() string {
	return (&Error{w.File, w.Line, w.Key, w.Text}).Error()
}
