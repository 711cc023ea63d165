package match

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of regular expressions.
const (
	// MaxPattern is the greatest length of a pattern, in bytes.
	MaxPattern = 64 << 10
	// MaxProgram is the greatest number of instructions of an automaton. Matching takes time in proportion to it.
	MaxProgram = 100_000

	maxSet   = 4096    // texts that a pattern is taken apart into
	maxText  = 1 << 20 // their bytes together
	maxGaps  = 32      // alternatives with gaps, beyond which the automaton is faster
	maxClass = 64      // characters of a class that is taken apart

	perText        = 64 // bytes that a text costs beside its own
	perInstruction = 64
)

// PatternError says why a pattern is no regular expression that can be used.
type PatternError struct {
	Pattern string
	Err     error
}

func (e *PatternError) Error() string {
	p := e.Pattern
	if len(p) > 200 {
		p = p[:200] + "…"
	}
	return fmt.Sprintf("regular expression %q: %v", p, e.Err)
}

func (e *PatternError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (e *PatternError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (e *PatternError) Code() string { return "regexp-invalid" }

const syntaxFlags = syntax.Perl | syntax.DotNL

// analyse makes a matcher without a name from a pattern.
func analyse(pattern string) (*Matcher, error) {
	if len(pattern) > MaxPattern {
		return nil, &PatternError{pattern, fmt.Errorf("%d bytes long, at most %d are possible", len(pattern), MaxPattern)}
	}
	if set, ok := plainAlternatives(pattern); ok {
		return In("", set...), nil
	}
	tree, err := syntax.Parse(pattern, syntaxFlags)
	if err != nil {
		if look := lookAround(pattern); look != "" {
			err = fmt.Errorf("look-around (%s) is not part of RE2", look)
		}
		return nil, &PatternError{pattern, err}
	}
	// Before anything is made of it: a repetition is written out as often as it says, with its classes.
	size := sizeOf(tree)
	if size > MaxProgram {
		return nil, &PatternError{pattern, fmt.Errorf("needs %d instructions, at most %d are possible", size, MaxProgram)}
	}
	tree = trimAnchors(tree.Simplify(), true, true)
	x := expander{}
	if alts, ok := x.expand(tree); ok {
		if m := fromAlternatives(alts); m != nil {
			m.weight = x.weight()
			return m, nil
		}
	}
	prog, err := syntax.Compile(tree)
	if err != nil {
		return nil, &PatternError{pattern, err}
	}
	if len(prog.Inst) > MaxProgram {
		return nil, &PatternError{pattern, fmt.Errorf("needs %d instructions, at most %d are possible", len(prog.Inst), MaxProgram)}
	}
	a := &automaton{size: len(prog.Inst)}
	var between *syntax.Regexp
	a.prefix, a.suffix, between = ends(tree)
	if prog, err := syntax.Compile(between); err == nil {
		a.dfa = makeDFA(prog)
	}
	if a.dfa != nil {
		return &Matcher{form: Automaton, expr: a, weight: x.weight() + a.dfa.bytes()}, nil
	}
	// The printed tree rather than the pattern, which may end inside \Q.
	re, err := regexp.Compile(`\A(?:` + tree.String() + `)\z`)
	if err != nil {
		return nil, &PatternError{pattern, err}
	}
	a.re = re
	return &Matcher{form: Automaton, expr: a, weight: x.weight() + perInstruction*max(size, len(prog.Inst))}, nil
}

// sizeOf is about how many instructions an expression needs that has been parsed and not simplified. Eight bounds of a class count
// as an instruction more. The parser's own limits keep it far from overflowing.
func sizeOf(re *syntax.Regexp) int {
	size := 1
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCharClass:
		size += len(re.Rune) / 8
	}
	for _, sub := range re.Sub {
		size += sizeOf(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(1, re.Min, re.Max)
	}
	return size
}

// plainAlternatives splits a|b|c without parsing it, as clients send it with thousands of hosts.
func plainAlternatives(pattern string) ([]string, bool) {
	if strings.ContainsAny(pattern, `\.+*?()[]{}^$`) || !utf8.ValidString(pattern) || strings.ContainsRune(pattern, utf8.RuneError) {
		return nil, false
	}
	return strings.Split(pattern, "|"), true
}

// lookAround finds the first look-around group of a pattern that could not be parsed.
func lookAround(pattern string) string {
	class := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			if strings.HasPrefix(pattern[i:], `\Q`) {
				end := strings.Index(pattern[i:], `\E`)
				if end < 0 {
					return ""
				}
				i += end
			}
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
			for i+1 < len(pattern) && (pattern[i+1] == '^' || pattern[i+1] == ']') {
				i++
				if pattern[i] == ']' {
					break
				}
			}
		case c == '(':
			for _, look := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
				if strings.HasPrefix(pattern[i:], look) {
					return look
				}
			}
		}
	}
	return ""
}

// automaton is a regular expression behind a cheap check.
type automaton struct {
	prefix, suffix string         // every match begins and ends with these
	dfa            *dfa           // decides about what lies between them
	re             *regexp.Regexp // if there is no dfa: about the whole text
	size           int            // instructions
}

func (a *automaton) accepts(s string) bool {
	if !strings.HasPrefix(s, a.prefix) || !strings.HasSuffix(s, a.suffix) {
		return false
	}
	if a.dfa != nil {
		return len(s) >= len(a.prefix)+len(a.suffix) && a.dfa.accepts(s[len(a.prefix):len(s)-len(a.suffix)])
	}
	return a.re.MatchString(s)
}

// acceptsEach is accepts for several values.
func (a *automaton) acceptsEach(values []string, yes []bool) {
	if a.dfa == nil {
		for i, s := range values {
			yes[i] = a.accepts(s)
		}
		return
	}
	var texts [abreast]string
	var at [abreast]int
	var found [abreast]bool
	n, ends := 0, len(a.prefix)+len(a.suffix)
	for i, s := range values {
		if yes[i] = false; len(s) < ends || !strings.HasPrefix(s, a.prefix) || !strings.HasSuffix(s, a.suffix) {
			continue
		}
		texts[n], at[n] = s[len(a.prefix):len(s)-len(a.suffix)], i
		if n++; n == abreast {
			a.dfa.acceptsAbreast(&texts, &found)
			for k, place := range at {
				yes[place] = found[k]
			}
			n = 0
		}
	}
	for k := range n {
		yes[at[k]] = a.dfa.accepts(texts[k])
	}
}

// piece is a text, or a gap of any characters of which there are least or more.
type piece struct {
	text  string
	gap   bool
	least int
}

// sequence is one way to match: texts and gaps one behind the other, never two texts in a row.
type sequence []piece

// expander takes a syntax tree apart into sequences of which one has to fit. It gives up at its limits, and on everything that
// is not a text or a gap.
type expander struct{ texts, bytes int }

// weight is what was spent, also on what was given up.
func (x *expander) weight() int { return x.bytes + x.texts*perText }

func (x *expander) spend(alts []sequence) ([]sequence, bool) {
	x.texts += len(alts)
	for _, a := range alts {
		for _, p := range a {
			x.bytes += len(p.text)
		}
	}
	return alts, len(alts) <= maxSet && x.texts <= 4*maxSet && x.bytes <= maxText
}

func (x *expander) expand(re *syntax.Regexp) ([]sequence, bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []sequence{{}}, true
	case syntax.OpNoMatch:
		return nil, true
	case syntax.OpCapture:
		return x.expand(re.Sub[0])
	case syntax.OpLiteral:
		if !plainLiteral(re) {
			return nil, false
		}
		return x.spend([]sequence{{{text: string(re.Rune)}}})
	case syntax.OpCharClass:
		return x.class(re.Rune)
	case syntax.OpStar, syntax.OpPlus:
		if re.Sub[0].Op != syntax.OpAnyChar {
			return nil, false
		}
		least := 0
		if re.Op == syntax.OpPlus {
			least = 1
		}
		return []sequence{{{gap: true, least: least}}}, true
	case syntax.OpQuest:
		alts, ok := x.expand(re.Sub[0])
		return append(slices.Clip(alts), sequence{}), ok
	case syntax.OpAlternate:
		var all []sequence
		for _, sub := range re.Sub {
			alts, ok := x.expand(sub)
			if all = append(all, alts...); !ok || len(all) > maxSet {
				return nil, false
			}
		}
		return all, true
	case syntax.OpConcat:
		all := []sequence{{}}
		for _, sub := range re.Sub {
			alts, ok := x.expand(sub)
			if !ok || len(all)*len(alts) > maxSet {
				return nil, false
			}
			next := make([]sequence, 0, len(all)*len(alts))
			for _, head := range all {
				for _, tail := range alts {
					joined, ok := join(head, tail)
					if !ok {
						return nil, false
					}
					next = append(next, joined)
				}
			}
			if all, ok = x.spend(next); !ok {
				return nil, false
			}
		}
		return all, true
	}
	return nil, false
}

// trimAnchors takes ^ and $ away where they always hold, since whole values are matched: ^ where nothing stands before
// it, $ where nothing stands behind it. The tree stays as it is: a repetition that was written out has the same part in several places.
func trimAnchors(re *syntax.Regexp, left, right bool) *syntax.Regexp {
	switch {
	case re.Op == syntax.OpBeginText && left, re.Op == syntax.OpEndText && right:
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	case re.Op != syntax.OpCapture && re.Op != syntax.OpAlternate && re.Op != syntax.OpConcat:
		return re
	}
	trimmed := *re
	trimmed.Sub = slices.Clone(re.Sub)
	last := len(re.Sub) - 1
	for i, sub := range re.Sub {
		inner := re.Op == syntax.OpConcat
		trimmed.Sub[i] = trimAnchors(sub, left && !(inner && i > 0), right && !(inner && i < last))
	}
	return &trimmed
}

// plainLiteral says whether the literal stands for exactly its own bytes. U+FFFD matches damaged UTF-8 too.
func plainLiteral(re *syntax.Regexp) bool {
	if slices.Contains(re.Rune, utf8.RuneError) {
		return false
	}
	if re.Flags&syntax.FoldCase == 0 {
		return true
	}
	return !slices.ContainsFunc(re.Rune, func(r rune) bool { return unicode.SimpleFold(r) != r })
}

func (x *expander) class(ranges []rune) ([]sequence, bool) {
	n := 0
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if n += int(hi-lo) + 1; n > maxClass || lo <= utf8.RuneError && utf8.RuneError <= hi {
			return nil, false
		}
	}
	alts := make([]sequence, 0, n)
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if !utf8.ValidRune(r) {
				return nil, false
			}
			alts = append(alts, sequence{{text: string(r)}})
		}
	}
	return x.spend(alts)
}

// join puts two sequences together. Two gaps that meet become one, unless both need a character.
func join(a, b sequence) (sequence, bool) {
	if len(a) == 0 {
		return b, true
	}
	if len(b) == 0 {
		return a, true
	}
	out := make(sequence, len(a), len(a)+len(b))
	copy(out, a)
	last, first := &out[len(out)-1], b[0]
	switch {
	case last.gap && first.gap:
		if last.least+first.least > 1 {
			return nil, false
		}
		last.least += first.least
		b = b[1:]
	case !last.gap && !first.gap:
		last.text += first.text
		b = b[1:]
	}
	return append(out, b...), true
}

// fromAlternatives chooses the form for sequences of which one has to fit, nil if there is none.
func fromAlternatives(alts []sequence) *Matcher {
	var set []string
	var withGaps []gaps
	filled := false
	for _, a := range alts {
		switch {
		case len(a) == 0:
			set = append(set, "")
		case len(a) == 1 && !a[0].gap:
			set = append(set, a[0].text)
		case len(a) == 1 && a[0].least == 0:
			return &Matcher{form: Any}
		case len(a) == 1:
			filled = true
		default:
			withGaps = append(withGaps, makeGaps(a))
		}
	}
	switch {
	case filled && slices.Contains(set, ""):
		return &Matcher{form: Any}
	case filled:
		return &Matcher{form: Filled}
	case len(withGaps) == 0:
		return In("", set...)
	case len(set)+len(withGaps) > maxGaps:
		return nil
	}
	slices.Sort(set)
	return &Matcher{form: Gaps, set: slices.Compact(set), gaps: withGaps, front: front(set, withGaps)}
}

// front is the longest text that all of the values and all of the prefixes, of which there is one at least, begin with.
func front(set []string, list []gaps) string {
	common := list[0].prefix
	cut := func(s string) {
		n := 0
		for n < len(s) && n < len(common) && s[n] == common[n] {
			n++
		}
		common = common[:n]
	}
	for i := range list {
		cut(list[i].prefix)
	}
	for _, s := range set {
		cut(s)
	}
	return common
}

func makeGaps(s sequence) gaps {
	var g gaps
	if !s[0].gap {
		g.prefix, s = s[0].text, s[1:]
	}
	if last := len(s) - 1; !s[last].gap {
		g.suffix, s = s[last].text, s[:last]
	}
	for _, p := range s {
		if p.gap {
			g.least = append(g.least, p.least)
		} else {
			g.inner = append(g.inner, p.text)
		}
	}
	return g
}

// ends finds texts that every match begins and ends with, and what has to match between them. Texts may be cut there, since the ends
// are valid UTF-8, of which no part belongs to a character of what lies between.
func ends(re *syntax.Regexp) (prefix, suffix string, between *syntax.Regexp) {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	if re.Op != syntax.OpConcat {
		return "", "", re
	}
	parts := slices.DeleteFunc(slices.Clone(re.Sub), func(sub *syntax.Regexp) bool { return sub.Op == syntax.OpEmptyMatch })
	if len(parts) < 2 {
		return "", "", re
	}
	if first := parts[0]; first.Op == syntax.OpLiteral && plainLiteral(first) {
		prefix, parts = string(first.Rune), parts[1:]
	}
	if last := parts[len(parts)-1]; last.Op == syntax.OpLiteral && plainLiteral(last) {
		suffix, parts = string(last.Rune), parts[:len(parts)-1]
	}
	if prefix == "" && suffix == "" {
		return "", "", re
	}
	if len(parts) == 0 {
		return prefix, suffix, &syntax.Regexp{Op: syntax.OpEmptyMatch}
	}
	return prefix, suffix, &syntax.Regexp{Op: syntax.OpConcat, Sub: parts, Flags: re.Flags}
}
