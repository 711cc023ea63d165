package match

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// dfa decides whether a whole text matches a regular expression by one look-up for each character. It is made in full when the
// pattern is read, so that it can be shared without a lock; expressions for which it would be large are left to the automaton of
// the standard library, which is ten times slower and never large.
type dfa struct {
	ascii   [utf8.RuneSelf]uint8 // class of a character
	bounds  []rune               // where another class begins, ascending; the first is 0
	classes []uint8              // of the characters from each bound on
	width   int                  // number of classes
	next    []uint16             // row of a state and class -> row of the next state
	accept  []bool               // by state
	sink    uint16               // row of the state that accepts whatever comes; noRow if there is none
	direct  *directTable         // nil if there are too many states
}

// directTable has the state behind each state and character of ASCII: that of state s and character c at s*utf8.RuneSelf+c. States are
// named by the places of their rows. It takes half of what a processor keeps nearest, and saves the look-up of the class.
type directTable [directStates * utf8.RuneSelf]uint16

const directStates = 64

// States are numbered from 0. A state has a row in next, which begins at its number times the width, and is named by that place.
const (
	deadState  = 0 // nothing matches any more; its row begins at 0
	startState = 1
	noRow      = 1<<16 - 1
)

// Limits of what is made in full.
const (
	maxDFATable   = 1 << 13 // states times classes
	maxDFAClasses = 1 << 7
	maxDFABounds  = 1 << 11
	maxDFAWork    = 1 << 17 // instructions that are gone through while it is made
)

// bytes is what the tables take.
func (d *dfa) bytes() int {
	n := 2*len(d.next) + len(d.accept) + 5*len(d.bounds) + len(d.ascii)
	if d.direct != nil {
		n += 2 * len(d.direct)
	}
	return n
}

// accepts says whether a text matches.
func (d *dfa) accepts(s string) bool { return d.acceptsFrom(uint16(startState*d.width), s) }

// acceptsFrom says whether a text matches whose rest is s, if what stands before it led to that row.
func (d *dfa) acceptsFrom(row uint16, s string) bool {
	next, sink := d.next, d.sink
	for i := 0; i < len(s); i++ {
		if row == deadState || row == sink {
			return row == sink
		}
		c := s[i]
		if c >= utf8.RuneSelf {
			return d.acceptsRunes(row, s[i:])
		}
		row = next[row+uint16(d.ascii[c])]
	}
	return d.accept[int(row)/d.width]
}

// abreast is how many texts are looked at together. Each look-up has to wait for the one before it in its text, and not for those in others.
const abreast = 4

// acceptsAbreast says of several texts whether they match. They go side by side to the end of the shortest, or to a character that is
// not ASCII, and then each by itself.
func (d *dfa) acceptsAbreast(texts *[abreast]string, yes *[abreast]bool) {
	if d.direct == nil {
		for k, s := range texts {
			yes[k] = d.accepts(s)
		}
		return
	}
	s0, s1, s2, s3 := texts[0], texts[1], texts[2], texts[3]
	n := min(len(s0), len(s1), len(s2), len(s3))
	const mask = len(d.direct) - 1 // every place is below; this spares the check
	table, i := d.direct, 0
	r0 := startState * utf8.RuneSelf
	r1, r2, r3 := r0, r0, r0
	for ; i < n; i++ {
		c0, c1, c2, c3 := s0[i], s1[i], s2[i], s3[i]
		if c0|c1|c2|c3 >= utf8.RuneSelf {
			break
		}
		r0 = int(table[(r0+int(c0))&mask])
		r1 = int(table[(r1+int(c1))&mask])
		r2 = int(table[(r2+int(c2))&mask])
		r3 = int(table[(r3+int(c3))&mask])
	}
	yes[0], yes[1] = d.acceptsDirect(r0, s0[i:]), d.acceptsDirect(r1, s1[i:])
	yes[2], yes[3] = d.acceptsDirect(r2, s2[i:]), d.acceptsDirect(r3, s3[i:])
}

// acceptsDirect is acceptsFrom for a row of the direct table.
func (d *dfa) acceptsDirect(row int, s string) bool {
	return d.acceptsFrom(uint16(row/utf8.RuneSelf*d.width), s)
}

// acceptsRunes says whether the rest of a text matches that has other characters than those of ASCII.
func (d *dfa) acceptsRunes(row uint16, s string) bool {
	for _, r := range s { // damaged bytes are U+FFFD, as for the library
		row = d.next[row+uint16(d.classOf(r))]
	}
	return d.accept[int(row)/d.width]
}

func (d *dfa) classOf(r rune) uint8 {
	i, found := slices.BinarySearch(d.bounds, r)
	if !found {
		i--
	}
	return d.classes[i]
}

// makeDFA makes one of a program that is matched against whole texts, nil if it would be large or needs to know what lies on both
// sides of a place.
func makeDFA(prog *syntax.Prog) *dfa {
	m := dfaMaker{prog: prog, seen: make([]uint32, len(prog.Inst)), states: make(map[string]uint16)}
	if !m.divide() {
		return nil
	}
	m.add(nil) // deadState
	if start, ok := m.closure([]uint32{uint32(prog.Start)}); !ok || int(m.add(start)) != startState*m.d.width {
		return nil // it matches nothing at all
	}
	for state := 1; state < len(m.sets); state++ {
		for class := range m.d.width {
			set, ok := m.step(m.sets[state], class)
			if !ok {
				return nil
			}
			if len(m.d.next) > maxDFATable {
				return nil
			}
			m.d.next[state*m.d.width+class] = m.add(set)
		}
	}
	m.findSink()
	m.d.makeDirect()
	return m.d
}

// dfaMaker makes states of sets of instructions.
type dfaMaker struct {
	d      *dfa
	prog   *syntax.Prog
	takes  [][]bool          // by instruction and class; nil for those that take no character
	states map[string]uint16 // rows by the instructions of the set
	sets   [][]uint32        // by state, ascending
	work   int

	seen  []uint32 // the round in which a closure has met an instruction
	round uint32
	key   []byte
}

// divide finds the classes: characters that no instruction tells apart.
func (m *dfaMaker) divide() bool {
	bounds := []rune{0}
	var runes []uint32 // instructions that take characters
	for i := range m.prog.Inst {
		in := &m.prog.Inst[i]
		switch in.Op {
		case syntax.InstEmptyWidth:
			return false
		case syntax.InstRune1, syntax.InstRune, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			runes = append(runes, uint32(i))
			bounds = appendBounds(bounds, in)
		}
		if len(bounds) > maxDFABounds {
			return false
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	if m.work += len(bounds) * len(runes); m.work > maxDFAWork {
		return false
	}
	m.d = &dfa{bounds: bounds, classes: make([]uint8, len(bounds)), sink: noRow}
	m.takes = make([][]bool, len(m.prog.Inst))
	byTaken := make(map[string]uint8)
	for i, r := range bounds {
		key := make([]byte, (len(runes)+7)/8)
		for k, in := range runes {
			if m.prog.Inst[in].MatchRune(r) {
				key[k/8] |= 1 << (k % 8)
			}
		}
		class, known := byTaken[string(key)]
		if !known {
			if len(byTaken) == maxDFAClasses {
				return false
			}
			class = uint8(len(byTaken))
			byTaken[string(key)] = class
			for k, in := range runes {
				m.takes[in] = append(m.takes[in], key[k/8]&(1<<(k%8)) != 0)
			}
		}
		m.d.classes[i] = class
	}
	m.d.width = len(byTaken)
	for c := range m.d.ascii {
		m.d.ascii[c] = m.d.classOf(rune(c))
	}
	return true
}

// appendBounds appends where the characters that an instruction takes begin, and where they end.
func appendBounds(bounds []rune, in *syntax.Inst) []rune {
	switch in.Op {
	case syntax.InstRuneAnyNotNL:
		return append(bounds, '\n', '\n'+1)
	case syntax.InstRuneAny:
		return bounds
	}
	if len(in.Rune) == 1 {
		r := in.Rune[0]
		bounds = append(bounds, r, r+1)
		if syntax.Flags(in.Arg)&syntax.FoldCase != 0 {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				bounds = append(bounds, f, f+1)
			}
		}
		return bounds
	}
	for i := 0; i+1 < len(in.Rune); i += 2 {
		bounds = append(bounds, in.Rune[i], in.Rune[i+1]+1)
	}
	return bounds
}

// closure are the instructions that take a character, or end the match, and can be reached from others without one; ascending.
func (m *dfaMaker) closure(from []uint32) (set []uint32, ok bool) {
	m.round++
	stack := from
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if m.seen[i] == m.round {
			continue
		}
		m.seen[i] = m.round
		if m.work++; m.work > maxDFAWork {
			return nil, false
		}
		in := &m.prog.Inst[i]
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			stack = append(stack, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			stack = append(stack, in.Out)
		case syntax.InstFail:
		default:
			set = append(set, i)
		}
	}
	slices.Sort(set)
	return set, true
}

// step is the set behind a character of a class.
func (m *dfaMaker) step(set []uint32, class int) ([]uint32, bool) {
	var out []uint32
	for _, i := range set {
		if takes := m.takes[i]; len(takes) > 0 && takes[class] {
			out = append(out, m.prog.Inst[i].Out)
		}
	}
	m.work += len(set)
	return m.closure(out)
}

// add is the row of the state of a set, a new one if there is none yet.
func (m *dfaMaker) add(set []uint32) uint16 {
	m.key = m.key[:0]
	accept := false
	for _, i := range set {
		m.key = append(m.key, byte(i), byte(i>>8), byte(i>>16))
		accept = accept || m.prog.Inst[i].Op == syntax.InstMatch
	}
	if row, ok := m.states[string(m.key)]; ok {
		return row
	}
	row := uint16(len(m.d.next)) // not above maxDFATable
	m.states[string(m.key)] = row
	m.sets = append(m.sets, set)
	m.d.accept = append(m.d.accept, accept)
	m.d.next = append(m.d.next, make([]uint16, m.d.width)...)
	return row
}

// findSink finds the state that accepts whatever comes.
func (m *dfaMaker) findSink() {
	d := m.d
	for state := range d.accept {
		at := state * d.width
		if d.accept[state] && !slices.ContainsFunc(d.next[at:at+d.width], func(to uint16) bool { return int(to) != at }) {
			d.sink = uint16(at)
			return
		}
	}
}

// makeDirect makes the direct table, if there are few states.
func (d *dfa) makeDirect() {
	if len(d.accept) > directStates {
		return
	}
	d.direct = new(directTable)
	for state := range d.accept {
		row := d.direct[state*utf8.RuneSelf:][:utf8.RuneSelf]
		for c := range row {
			row[c] = uint16(int(d.next[state*d.width+int(d.ascii[c])]) / d.width * utf8.RuneSelf)
		}
	}
}
