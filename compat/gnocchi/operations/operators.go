package operations

import "math"

// unaries are the operations on each value alone.
var unaries = map[string]func(x float64) float64{
	"abs": math.Abs, "absolute": math.Abs,
	"neg": negative, "negative": negative,
	"cos": math.Cos, "sin": math.Sin, "tan": math.Tan,
	"floor": math.Floor, "ceil": math.Ceil,
}

func negative(x float64) float64 { return -x }

// operators are the operations on two values that other languages have too. Comparisons give 1 or 0.
var operators = map[string]func(x, y float64) float64{
	"+": add, "add": add,
	"-": subtract, "sub": subtract,
	"*": multiply, "×": multiply, "mul": multiply,
	"/": divide, "÷": divide, "div": divide,
	"%": Mod, "mod": Mod,
	"**": math.Pow, "^": math.Pow, "pow": math.Pow,
	"=": equal, "==": equal, "eq": equal,
	"!=": unequal, "≠": unequal, "ne": unequal,
	"<": less, "lt": less,
	">": greater, "gt": greater,
	"<=": lessEqual, "≤": lessEqual, "le": lessEqual,
	">=": greaterEqual, "≥": greaterEqual, "ge": greaterEqual,
}

// limits are further operations on two values.
var limits = map[string]func(x, y float64) float64{"clip_min": atLeast, "clip_max": atMost, "max": greatest}

// Operator is the comparison or the arithmetic of two values that has a name; nil: there is none. A comparison gives 1 or 0.
func Operator(name string) func(x, y float64) float64 { return operators[name] }

func add(x, y float64) float64      { return x + y }
func subtract(x, y float64) float64 { return x - y }
func multiply(x, y float64) float64 { return x * y }
func divide(x, y float64) float64   { return x / y }

// Mod is the remainder of a division whose quotient is rounded down: it has the sign of the divisor.
func Mod(x, y float64) float64 {
	m := math.Mod(x, y)
	switch {
	case m == 0:
		return math.Copysign(0, y)
	case m < 0 != (y < 0):
		return m + y
	}
	return m
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func equal(x, y float64) float64        { return truth(x == y) }
func unequal(x, y float64) float64      { return truth(x != y) }
func less(x, y float64) float64         { return truth(x < y) }
func greater(x, y float64) float64      { return truth(x > y) }
func lessEqual(x, y float64) float64    { return truth(x <= y) }
func greaterEqual(x, y float64) float64 { return truth(x >= y) }

// atLeast and atMost are NaN if one of the values is.
func atLeast(x, low float64) float64 { return max(x, low) }
func atMost(x, high float64) float64 { return min(x, high) }

// greatest leaves NaN out.
func greatest(x, y float64) float64 {
	switch {
	case x != x:
		return y
	case y != y:
		return x
	}
	return max(x, y)
}
