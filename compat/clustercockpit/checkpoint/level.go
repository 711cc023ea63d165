package checkpoint

import (
	"strings"
)

// typeNames are the types that ClusterCockpit's own senders use below a node. No one is a prefix of another.
var typeNames = []string{"socket", "memoryDomain", "core", "hwthread", "cpu", "accelerator"}

// SplitLevel takes the text of a level apart into a type and an id. A known type name comes off first, any other text is
// cut before its first digit; id is empty if there is none. The parts glued together give the text again, with one
// exception: a text that starts with a digit stood beside the type "node", which glues to nothing, and gets it back.
func SplitLevel(text string) (typ, id string) {
	for _, name := range typeNames {
		if id, ok := strings.CutPrefix(text, name); ok {
			return name, id
		}
	}
	typ, id = splitAtDigit(text)
	switch typ {
	case "":
		return "node", id
	case "node": // its id alone would be another level
		return text, ""
	}
	return typ, id
}

// SplitSubLevel does the same for the level below: the subtype and its id.
func SplitSubLevel(text string) (stype, id string) {
	if stype, id = splitAtDigit(text); stype == "" {
		return text, ""
	}
	return stype, id
}

func splitAtDigit(text string) (head, tail string) {
	if i := strings.IndexAny(text, "0123456789"); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}
