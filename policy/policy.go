package policy

import (
	"slices"
	"time"
)

// Clock says from which moment the retention of a sample is counted.
type Clock uint8

const (
	// SampleClock expires a sample when now - its time exceeds the length.
	SampleClock Clock = iota
	// WriteClock expires a sample when now - the later of its time and its write time exceeds the length.
	WriteClock
	// NewestClock expires a sample when the newest sample of its series is more than the length younger.
	NewestClock
)

// Lengths of retention that are no duration.
const (
	// Forever is the length of samples that never expire.
	Forever time.Duration = -1
	// WindowOnly is the length of raw samples that live only until the buckets of the policy's tiers that they belong to are
	// finished.
	WindowOnly time.Duration = -2
)

// Retention says how long raw samples live and by which clock.
type Retention struct {
	Length time.Duration // Forever, WindowOnly, or > 0
	Clock  Clock
}

// DuplicateRule says which sample stays when two have the same series and time.
type DuplicateRule uint8

const (
	LastWins DuplicateRule = iota
	SmallestThenLater
	RefuseDifferent
)

// Tier is one granularity of a policy: aggregates of buckets of that width, aligned to 1970-01-01T00:00Z.
type Tier struct {
	Granularity time.Duration // above zero
	// Points bounds the aggregates that are kept: those whose bucket begins Points x Granularity or more before the newest
	// bucket are not. Gaps count. 0 keeps them for ever.
	Points int64
}

// Timespan is how far back from the newest bucket aggregates are kept, 0: for ever.
func (t Tier) Timespan() time.Duration { return time.Duration(t.Points) * t.Granularity }

// Policy says how long and how coarse the samples of a definition are kept.
type Policy struct {
	Name       string
	Raw        Retention
	Grid       time.Duration // slot grid of the raw samples; 0: samples keep their own times
	Duplicates DuplicateRule
	// Across is how series of this policy are combined where the dialect implies a method (ClusterCockpit's
	// "aggregation"); NoMethod: they cannot be combined.
	Across Method
	// Tiers are the granularities that are kept beside the raw samples, ascending, none twice; Methods what is kept of each of
	// their buckets, ascending, none twice. Both are empty or neither. They must not be changed.
	Tiers   []Tier
	Methods []Method
	// Order is how the tiers were given: tier Order[i] was the i-th. Empty: in their own order. It means nothing but how they are
	// shown to Gnocchi's clients; the configuration keeps none.
	Order []uint8
	// BackWindow is how many buckets of the coarsest tier stay open for late samples behind the newest one.
	BackWindow int
}

// Equal says whether two policies are the same in all they say.
func (p Policy) Equal(q Policy) bool {
	return p.Name == q.Name && p.Raw == q.Raw && p.Grid == q.Grid && p.Duplicates == q.Duplicates && p.Across == q.Across &&
		p.BackWindow == q.BackWindow && slices.Equal(p.Tiers, q.Tiers) && slices.Equal(p.Methods, q.Methods) && slices.Equal(p.Order, q.Order)
}

// Given are the tiers in the order in which they were given.
func (p *Policy) Given() []Tier {
	if len(p.Order) == 0 {
		return p.Tiers
	}
	list := make([]Tier, len(p.Tiers))
	for i, k := range p.Order {
		list[i] = p.Tiers[k]
	}
	return list
}

// ordered is normal for a policy whose tiers are as they were given, and remembers their order.
func (p Policy) ordered() Policy {
	given := p.Tiers
	p.Order = nil
	p = p.normal()
	if slices.Equal(given, p.Tiers) || len(given) > MaxTiers {
		return p
	}
	for _, t := range given {
		p.Order = append(p.Order, uint8(slices.Index(p.Tiers, t)))
	}
	return p
}
