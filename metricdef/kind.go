package metricdef

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kind is the kind of the values of a series, fixed at creation. It is not part of the identity.
type Kind uint8

const (
	KindFloat Kind = iota + 1 // float64
	KindInt                   // int64, exact beyond 2^53
	KindState                 // one of the states below
	KindText                  // text
)

var kindNames = [...]string{"", "float", "int", "state", "text"}

// String is the kind's stable name.
func (k Kind) String() string {
	if k.valid() {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

func (k Kind) valid() bool { return k >= KindFloat && k <= KindText }

// Numeric says whether the values are numbers that one may calculate with.
func (k Kind) Numeric() bool { return k == KindFloat || k == KindInt }

// Kind is the kind of values that a series of the type has if its draft names none, 0 if it is no type.
func (t Type) Kind() Kind {
	switch t {
	case Gauge:
		return KindFloat
	case Counter:
		return KindInt
	case Availability:
		return KindState
	case String:
		return KindText
	}
	return 0
}

// Takes says whether a series of the type may have values of that kind: numbers of either kind where it takes numbers.
func (t Type) Takes(k Kind) bool {
	def := t.Kind()
	return k.valid() && (k == def || k.Numeric() && def.Numeric())
}

// recordKind is the kind of a series whose record names none. Such records are from when all numbers were floats.
func (t Type) recordKind() Kind {
	if k := t.Kind(); !k.Numeric() {
		return k
	}
	return KindFloat
}

// Values is the kind of the values that the draft asks for: its Kind, or the default of its type.
func (d *Draft) Values() Kind {
	if d.Kind == 0 {
		return d.Type.Kind()
	}
	return d.Kind
}

func (d *Draft) checkKind() error {
	if d.Kind != 0 && !d.Type.Takes(d.Kind) {
		return &InvalidError{Field: "kind", Value: d.Kind.String(), Err: fmt.Errorf("a series of type %s has no values of this kind", d.Type)}
	}
	return nil
}

// State is one of the values of an availability series. The numbers are stored and never change their meaning.
type State uint8

const (
	Down State = iota
	Up
	Unknown
	Admin // taken out of service on purpose
	NumStates
)

var stateNames = [NumStates]string{"down", "up", "unknown", "admin"}

// String is the state's stable name.
func (s State) String() string {
	if s < NumStates {
		return stateNames[s]
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

var errNoState = errors.New("is not one of " + strings.Join(stateNames[:], ", "))

// ParseState finds the state of a name, whatever the case of its letters.
func ParseState(name string) (State, error) {
	for i, n := range stateNames {
		if strings.EqualFold(n, name) {
			return State(i), nil
		}
	}
	return 0, &InvalidError{Field: "state", Value: name, Err: errNoState}
}

// StateOf finds the state that a stored value stands for, and false if it stands for none.
func StateOf(v float64) (State, bool) {
	for i := State(0); i < NumStates; i++ {
		if v == float64(i) {
			return i, true
		}
	}
	return 0, false
}

// Kind is the kind of the values of a definition, reserved or visible; 0 if the ref has none.
func (r *Registry) Kind(ref Ref) Kind {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if d := r.defs.get(ref); d != nil {
		return d.kind()
	}
	return 0
}
