package native

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
	"granary/policy"
)

// policyBody is a policy in a request. What is not given is nil.
type policyBody struct {
	Name       *string    `json:"name"`
	Raw        *rawBody   `json:"raw"`
	Grid       *duration  `json:"grid"`
	Duplicates *string    `json:"duplicates"`
	Tiers      []tierBody `json:"tiers"`
	Methods    []string   `json:"methods"`
	BackWindow *int       `json:"back_window"`

	was *policy.View
}

type rawBody struct {
	Retention *retention `json:"retention"`
	Clock     *string    `json:"clock"`
}

// tierBody is one tier: two of three, or the granularity alone.
type tierBody struct {
	Granularity *duration `json:"granularity"`
	Points      *int64    `json:"points"`
	Timespan    *duration `json:"timespan"`
}

// item is the tier as package policy takes it.
func (t *tierBody) item() (i policy.Item) {
	if t.Granularity != nil {
		i.Granularity = time.Duration(*t.Granularity)
	}
	if t.Points != nil {
		i.Points = *t.Points
	}
	if t.Timespan != nil {
		i.Timespan = time.Duration(*t.Timespan)
	}
	return i
}

// retention is a duration, or "forever", or "window".
type retention time.Duration

const (
	textForever = "forever"
	textWindow  = "window"
)

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *retention) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '"' {
		return (*duration)(v).UnmarshalJSONFrom(d)
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return err
	}
	switch text := string(b); text {
	case textForever:
		*v = retention(policy.Forever)
	case textWindow:
		*v = retention(policy.WindowOnly)
	default:
		parsed, err := edge.ParseDuration(text)
		if err == nil && parsed == 0 {
			err = &syntaxError{text: `expected a duration above zero, "forever" or "window"`}
		}
		*v = retention(parsed)
		return err
	}
	return nil
}

var (
	clockNames     = []string{policy.SampleClock: "sample", policy.WriteClock: "write", policy.NewestClock: "newest"}
	duplicateNames = []string{policy.LastWins: "last", policy.SmallestThenLater: "smallest", policy.RefuseDifferent: "refuse"}
)

// oneOf is the index of a text in a list of those that are possible.
func oneOf(path, text string, list []string) (int, error) {
	i := slices.Index(list, text)
	if i < 0 {
		return 0, edge.At(path, &syntaxError{text: fmt.Sprintf("%q is not one of %q", shorten(text), list)})
	}
	return i, nil
}

// raw changes a retention.
func (b *policyBody) raw(r *policy.Retention) error {
	if b.Raw == nil {
		return nil
	}
	if b.Raw.Retention != nil {
		r.Length = time.Duration(*b.Raw.Retention)
	}
	if b.Raw.Clock == nil {
		return nil
	}
	i, err := oneOf("/raw/clock", *b.Raw.Clock, clockNames)
	r.Clock = policy.Clock(i)
	return err
}

// tiers computes what tiers do not give.
func (b *policyBody) tiers() (list []policy.Tier, err error) {
	if len(b.Tiers) > policy.MaxTiers {
		return nil, edge.At("/tiers", &syntaxError{text: fmt.Sprintf("there are %d, at most %d are possible", len(b.Tiers), policy.MaxTiers)})
	}
	for i, t := range b.Tiers {
		at := "/tiers/" + strconv.Itoa(i)
		const above = "it is not above zero; a tier that is kept for ever has neither points nor timespan"
		item := t.item()
		switch {
		case t.Granularity != nil && item.Granularity <= 0:
			return nil, edge.At(at+"/granularity", &syntaxError{text: above})
		case t.Points != nil && item.Points <= 0:
			return nil, edge.At(at+"/points", &syntaxError{text: above})
		case t.Timespan != nil && item.Timespan <= 0:
			return nil, edge.At(at+"/timespan", &syntaxError{text: above})
		}
		tier, err := item.Tier()
		if err != nil {
			return nil, edge.At(at, err)
		}
		list = append(list, tier)
	}
	return list, nil
}

// methods reads the list of methods; a policy with tiers that gives none gets the usual ones.
func (b *policyBody) methods(tiers int) ([]policy.Method, error) {
	if b.Methods == nil && tiers == 0 {
		return nil, nil
	}
	list, err := policy.MethodList(b.Methods, policy.DefaultMethods(), policy.Methods())
	var unknown *policy.MethodError
	switch {
	case errors.As(err, &unknown):
		return nil, edge.At("/methods/"+strconv.Itoa(slices.Index(b.Methods, unknown.Text)), err)
	case err != nil:
		return nil, explainPolicy(err)
	}
	return list, nil
}

// policy is the policy that the body describes. What is not given: raw samples are kept for ever, their age is counted from their
// time or their writing, whichever is later, and there are no tiers.
func (b *policyBody) policy() (p policy.Policy, err error) {
	if b.Name == nil {
		return p, edge.At("/name", &syntaxError{text: "the policy has no name"})
	}
	p = policy.Policy{Name: *b.Name, Raw: policy.Retention{Length: policy.Forever, Clock: policy.WriteClock}}
	if err := b.raw(&p.Raw); err != nil {
		return p, err
	}
	if b.Grid != nil {
		p.Grid = time.Duration(*b.Grid)
	}
	if b.Duplicates != nil {
		i, err := oneOf("/duplicates", *b.Duplicates, duplicateNames)
		if err != nil {
			return p, err
		}
		p.Duplicates = policy.DuplicateRule(i)
	}
	if p.Tiers, err = b.tiers(); err != nil {
		return p, err
	}
	if p.Methods, err = b.methods(len(p.Tiers)); err != nil {
		return p, err
	}
	if b.BackWindow != nil {
		p.BackWindow = *b.BackWindow
	}
	return p, nil
}

// update is the change of a policy that the body describes.
func (b *policyBody) update(name string) (u policy.Update, err error) {
	if b.Name != nil && *b.Name != name {
		return u, edge.At("/name", &syntaxError{text: "a policy cannot be given another name"})
	}
	if b.Raw != nil {
		// A policy that is not there is refused by the store.
		was, _ := b.was.ByName(name)
		u.Raw = &was.Raw
		if err := b.raw(u.Raw); err != nil {
			return u, err
		}
	}
	if b.Grid != nil {
		grid := int64(*b.Grid)
		u.Grid = &grid
	}
	if b.Duplicates != nil {
		i, err := oneOf("/duplicates", *b.Duplicates, duplicateNames)
		if err != nil {
			return u, err
		}
		rule := policy.DuplicateRule(i)
		u.Duplicates = &rule
	}
	if b.Tiers != nil && len(b.Tiers) == 0 {
		return u, edge.At("/tiers", &syntaxError{text: "a list of tiers cannot become empty"})
	}
	if u.Tiers, err = b.tiers(); err != nil {
		return u, err
	}
	if b.Methods != nil {
		if u.Methods, err = b.methods(1); err != nil {
			return u, err
		}
		if len(u.Methods) == 0 {
			return u, edge.At("/methods", &syntaxError{text: "no method is left"})
		}
	}
	u.BackWindow = b.BackWindow
	return u, nil
}

var indexed = regexp.MustCompile(`\[(\d+)\]`)

// pointer makes the JSON pointer of a field such as "tiers[1].points".
func pointer(field string) string {
	if field == "" {
		return ""
	}
	return "/" + strings.ReplaceAll(indexed.ReplaceAllString(field, ".$1"), ".", "/")
}

// explain is explainPolicy for an error about the body. Policies name tiers in ascending order, and methods in that of the
// catalogue; bodies have them in any.
func (b *policyBody) explain(err error) error {
	var i int
	field := ""
	switch e := asPolicy(err).(type) {
	case *policy.InvalidError:
		field = e.Field
	case *policy.ChangeError:
		field = e.Field
	}
	switch _, rest, ok := strings.Cut(field, "]"); {
	case strings.HasPrefix(field, "methods["):
		return edge.At("/methods", err)
	case ok && strings.HasPrefix(field, "tiers["):
		if i, _ = strconv.Atoi(field[len("tiers["):strings.IndexByte(field, ']')]); i >= len(b.Tiers) {
			return edge.At("/tiers", err)
		}
		order := make([]int, len(b.Tiers))
		width := make([]time.Duration, len(b.Tiers))
		for k, t := range b.Tiers {
			order[k] = k
			tier, _ := t.item().Tier()
			width[k] = tier.Granularity
		}
		slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(width[x], width[y]) })
		return edge.At("/tiers/"+strconv.Itoa(order[i])+pointer(strings.TrimPrefix(rest, ".")), err)
	}
	return explainPolicy(err)
}

// asPolicy is the error of package policy within err, nil if there is none.
func asPolicy(err error) any {
	var (
		used     *policy.InUseError
		limit    *policy.LimitError
		readOnly *policy.ReadOnlyError
		exists   *policy.ExistsError
		invalid  *policy.InvalidError
		change   *policy.ChangeError
	)
	switch {
	case errors.As(err, &used):
		return used
	case errors.As(err, &limit):
		return limit
	case errors.As(err, &readOnly):
		return readOnly
	case errors.As(err, &exists):
		return exists
	case errors.As(err, &invalid):
		return invalid
	case errors.As(err, &change):
		return change
	}
	return nil
}
