package operations

import (
	"math"

	"granary/compat/gnocchi/when"
)

// How says what stands for the values that a series lacks.
type How uint8

// The ways to fill.
const (
	Overlap  How = iota // nothing: the rules of Lacking hold
	Null                // nothing, whatever is lacking
	DropNA              // nothing, and results that are no numbers or infinite are left out
	Value               // a number
	Forward             // the value of the row before
	Backward            // the value of the row behind
	// ForwardFirst fills forward, and what then is lacking backward; BackwardFirst the other way round.
	ForwardFirst
	BackwardFirst
)

// Fill is a way to fill. The zero value is Overlap.
type Fill struct {
	How   How
	Value float64 // of Value
}

var fills = map[string]How{"null": Null, "dropna": DropNA, "ffill": Forward, "bfill": Backward, "full_ffill": ForwardFirst, "full_bfill": BackwardFirst}

// FillError refuses a fill.
type FillError struct{ Text string }

// Error implements error.
func (*FillError) Error() string {
	return "Must be a float, 'dropna', 'null', 'ffill', 'bfill', 'full_ffill' or 'full_bfill'"
}

// Kind is "invalid".
func (*FillError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*FillError) Code() string { return "parameter-invalid" }

// ParseFill reads a fill: a word or a number. The error is a *FillError.
func ParseFill(text string) (Fill, error) {
	if how, ok := fills[text]; ok {
		return Fill{How: how}, nil
	}
	if x, ok := when.Float(text); ok {
		return Fill{How: Value, Value: x}, nil
	}
	return Fill{}, &FillError{text}
}

// Leaves says whether a result is left out of the answer.
func (f Fill) Leaves(x float64) bool {
	switch f.How {
	case DropNA:
		return x-x != 0
	case Forward, Backward, ForwardFirst, BackwardFirst:
		return x != x
	}
	return false
}

// rows fills one column. It is changed only where values are lacking.
func (f Fill) rows(column []float64) {
	switch f.How {
	case Forward, ForwardFirst:
		forward(column)
	case Backward, BackwardFirst:
		backward(column)
	}
	switch f.How {
	case ForwardFirst:
		backward(column)
	case BackwardFirst:
		forward(column)
	}
}

func forward(column []float64) {
	last := math.NaN()
	for i, x := range column {
		if x != x {
			column[i] = last
		} else {
			last = x
		}
	}
}

func backward(column []float64) {
	next := math.NaN()
	for i := len(column) - 1; i >= 0; i-- {
		if x := column[i]; x != x {
			column[i] = next
		} else {
			next = x
		}
	}
}
