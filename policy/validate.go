package policy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds on what a policy may say. They keep the arithmetic of buckets inside int64 nanoseconds, and a policy from asking for
// more columns than a series can hold.
const (
	MaxName    = 255 // bytes of a policy's name
	MaxTiers   = 32
	MaxMethods = 256  // the whole catalogue, and some percentiles with decimals
	MaxPoints  = 1e12 // of one tier
	MaxSpan    = 100 * 365 * 24 * time.Hour
)

// InvalidError says which part of a policy or rule is not acceptable, and why.
type InvalidError struct {
	What  string // "policy" or "rule"
	Name  string // of the policy or rule
	Field string // the part as a path, such as "tiers[1].points"; "" for the whole
	Text  string
}

func (e *InvalidError) Error() string {
	s := e.What + ": "
	if e.Name != "" {
		s = e.What + " " + strconv.Quote(shorten(e.Name)) + ": "
	}
	if e.Field != "" {
		s += e.Field + ": "
	}
	return s + e.Text
}

// Kind is the kind of the error for the edges.
func (*InvalidError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (e *InvalidError) Code() string {
	if e.What == "rule" {
		return "rule-invalid"
	}
	return "policy-invalid"
}

// shorten cuts a text that an error quotes.
func shorten(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// normal is the policy with tiers and methods in order. What Validate would refuse stays.
func (p Policy) normal() Policy {
	p.Tiers, p.Methods = slices.Clone(p.Tiers), slices.Clone(p.Methods)
	slices.SortStableFunc(p.Tiers, func(a, b Tier) int { return compare(a.Granularity, b.Granularity) })
	slices.Sort(p.Methods)
	return p
}

func compare(a, b time.Duration) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Validate says what is wrong with a policy; the error is an *InvalidError.
func (p Policy) Validate() error {
	bad := func(field, format string, args ...any) error {
		return &InvalidError{"policy", p.Name, field, fmt.Sprintf(format, args...)}
	}
	if text := checkName(p.Name); text != "" {
		return bad("name", "%s", text)
	}
	switch {
	case p.Raw.Length == WindowOnly && len(p.Tiers) == 0:
		return bad("raw.retention", "raw samples live only in the window of tiers, and there are no tiers")
	case p.Raw.Length <= 0 && p.Raw.Length != Forever && p.Raw.Length != WindowOnly:
		return bad("raw.retention", "it is %v, not above zero", p.Raw.Length)
	case p.Raw.Clock > NewestClock:
		return bad("raw.clock", "there is no retention clock %d", p.Raw.Clock)
	case p.Grid < 0:
		return bad("grid", "it is %v, below zero", p.Grid)
	case p.Grid > MaxSpan:
		return bad("grid", "it is %v, more than %v", p.Grid, MaxSpan)
	case p.Duplicates > RefuseDifferent:
		return bad("duplicates", "there is no duplicate rule %d", p.Duplicates)
	case p.Across > Max: // what ClusterCockpit has
		return bad("across", "there is no such method %d", p.Across)
	}
	return p.validateTiers(bad)
}

func (p Policy) validateTiers(bad func(field, format string, args ...any) error) error {
	switch {
	case len(p.Tiers) > MaxTiers:
		return bad("tiers", "there are %d, at most %d are possible", len(p.Tiers), MaxTiers)
	case len(p.Methods) > MaxMethods:
		return bad("methods", "there are %d, at most %d are possible", len(p.Methods), MaxMethods)
	case len(p.Tiers) == 0 && len(p.Methods) > 0:
		return bad("methods", "there are methods and no tiers to keep them in")
	case len(p.Tiers) > 0 && len(p.Methods) == 0:
		return bad("methods", "there are tiers and no method to keep in them")
	case len(p.Tiers) == 0 && p.BackWindow != 0:
		return bad("back_window", "there are no tiers that it could hold open")
	case p.BackWindow < 0:
		return bad("back_window", "it is %d, below zero", p.BackWindow)
	}
	for i, t := range p.Tiers {
		at := func(field string) string { return "tiers[" + strconv.Itoa(i) + "]." + field }
		switch {
		case t.Granularity <= 0:
			return bad(at("granularity"), "it is %v, not above zero", t.Granularity)
		case t.Granularity > MaxSpan:
			return bad(at("granularity"), "it is %v, more than %v", t.Granularity, MaxSpan)
		case t.Points < 0:
			return bad(at("points"), "it is %d, below zero", t.Points)
		case t.Points > MaxPoints:
			return bad(at("points"), "it is %d, at most %d are possible", t.Points, int64(MaxPoints))
		case t.Points > int64(MaxSpan/t.Granularity):
			return bad(at("timespan"), "%d x %v is more than %v", t.Points, t.Granularity, MaxSpan)
		case i > 0 && t.Granularity == p.Tiers[i-1].Granularity:
			return bad(at("granularity"), "more than one tier has the granularity %v", t.Granularity)
		case i > 0 && t.Granularity < p.Tiers[i-1].Granularity:
			return bad(at("granularity"), "the tiers are not in ascending order")
		}
	}
	if len(p.Order) > 0 && len(p.Order) != len(p.Tiers) {
		return bad("order", "it names %d of %d tiers", len(p.Order), len(p.Tiers))
	}
	for i, k := range p.Order {
		if int(k) >= len(p.Tiers) || slices.Contains(p.Order[:i], k) {
			return bad("order", "it does not name each tier once")
		}
	}
	for i, m := range p.Methods {
		switch at := "methods[" + strconv.Itoa(i) + "]"; {
		case !m.Valid():
			return bad(at, "there is no such method %d", uint32(m))
		case i > 0 && m == p.Methods[i-1]:
			return bad(at, "%v is given twice", m)
		case i > 0 && m < p.Methods[i-1]:
			return bad(at, "the methods are not in ascending order")
		}
	}
	if n := len(p.Tiers); n > 0 {
		if b := p.Tiers[n-1].Granularity; int64(p.BackWindow) > int64(MaxSpan/b) {
			return bad("back_window", "%d x %v is more than %v", p.BackWindow, b, MaxSpan)
		}
	}
	return nil
}

// checkName says what is wrong with a name, "" if nothing is.
func checkName(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case len(name) > MaxName:
		return fmt.Sprintf("it has %d bytes, at most %d are possible", len(name), MaxName)
	case !utf8.ValidString(name):
		return "it is not valid UTF-8"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "it holds a control character"
	}
	return ""
}

// Item is a tier as a definition gives it: two of three, or the granularity alone for one that is kept for ever. What is not
// given is 0.
type Item struct {
	Granularity time.Duration
	Points      int64
	Timespan    time.Duration
}

// ItemFault is why an Item is no tier. Dialects have texts of their own for some.
type ItemFault uint8

// The faults of an item.
const (
	ItemNegative  ItemFault = iota + 1 // a part is below zero
	ItemTooLittle                      // fewer than two of the three, and not the granularity alone
	ItemMismatch                       // all three, and the timespan is not granularity x points
	ItemTooShort                       // the timespan is shorter than the granularity
	ItemFraction                       // timespan / points is no whole number of nanoseconds
	ItemTooLong                        // granularity x points is more than MaxSpan, or points are more than MaxPoints
)

var itemTexts = [...]string{
	ItemNegative:  "granularity, points and timespan must be above zero",
	ItemTooLittle: "at least two of granularity, points and timespan must be given, or the granularity alone for a tier that is kept for ever",
	ItemMismatch:  "the timespan is not granularity x points; give two of the three",
	ItemTooShort:  "the timespan is shorter than the granularity",
	ItemFraction:  "timespan / points is no whole number of nanoseconds",
	ItemTooLong:   fmt.Sprintf("a tier may have a timespan of at most %v and at most %d points", MaxSpan, int64(MaxPoints)),
}

// ItemError says that an item is no tier.
type ItemError struct {
	Item  Item
	Fault ItemFault
}

func (e *ItemError) Error() string {
	return fmt.Sprintf("tier {granularity %v, points %d, timespan %v}: %s", e.Item.Granularity, e.Item.Points, e.Item.Timespan, itemTexts[e.Fault])
}

// Reason is the part of the text that does not repeat the item.
func (e *ItemError) Reason() string { return itemTexts[e.Fault] }

// Kind is "invalid".
func (*ItemError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*ItemError) Code() string { return "policy-invalid" }

// Tier computes what an item does not give: points are rounded down to whole buckets, and a granularity must come out in whole
// nanoseconds. Where all three are given they must agree. The error is an *ItemError.
func (i Item) Tier() (Tier, error) {
	fault := func(f ItemFault) (Tier, error) { return Tier{}, &ItemError{i, f} }
	if i.Granularity < 0 || i.Points < 0 || i.Timespan < 0 {
		return fault(ItemNegative)
	}
	t := Tier{i.Granularity, i.Points}
	switch {
	case i.Granularity != 0 && i.Points == 0 && i.Timespan == 0:
	case i.Granularity != 0 && i.Points != 0:
		if i.Points > math.MaxInt64/int64(i.Granularity) {
			return fault(ItemTooLong)
		}
		if i.Timespan != 0 && i.Timespan != t.Timespan() {
			return fault(ItemMismatch)
		}
	case i.Granularity != 0:
		if t.Points = int64(i.Timespan / i.Granularity); t.Points == 0 {
			return fault(ItemTooShort)
		}
	case i.Points != 0 && i.Timespan != 0:
		if int64(i.Timespan)%i.Points != 0 {
			return fault(ItemFraction)
		}
		t.Granularity = i.Timespan / time.Duration(i.Points)
	default:
		return fault(ItemTooLittle)
	}
	if t.Points > MaxPoints || t.Granularity > MaxSpan || t.Timespan() > MaxSpan {
		return fault(ItemTooLong)
	}
	return t, nil
}
