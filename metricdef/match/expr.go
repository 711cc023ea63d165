package match

// Expr is a condition on the tags of one definition: a *Matcher, And, Or or Not. A nil Expr holds for everything.
type Expr interface {
	// Eval says whether the condition holds for a definition whose tag values value answers; "" stands for a tag that
	// the definition does not have.
	Eval(value func(name string) string) bool
}

// And holds if all of its parts hold; an empty And holds for everything.
type And []Expr

// Or holds if one of its parts holds; an empty Or holds for nothing.
type Or []Expr

// Not holds if its part does not.
type Not struct{ Expr Expr }

// Eval implements Expr.
func (a And) Eval(value func(name string) string) bool {
	for _, e := range a {
		if e != nil && !e.Eval(value) {
			return false
		}
	}
	return true
}

// Eval implements Expr.
func (o Or) Eval(value func(name string) string) bool {
	for _, e := range o {
		if e == nil || e.Eval(value) {
			return true
		}
	}
	return false
}

// Eval implements Expr.
func (n Not) Eval(value func(name string) string) bool {
	return n.Expr != nil && !n.Expr.Eval(value)
}
