package policy

import "time"

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

// Forever is the retention length of samples that never expire.
const Forever time.Duration = -1

// Retention says how long raw samples live and by which clock.
type Retention struct {
	Length time.Duration // Forever, or > 0
	Clock  Clock
}

// DuplicateRule says which sample stays when two have the same series and time.
type DuplicateRule uint8

const (
	LastWins DuplicateRule = iota
	SmallestThenLater
	RefuseDifferent
)

// Method is one aggregation method of the catalogue.
type Method uint8

const (
	NoMethod Method = iota
	Sum
	Mean
	Min
	Max
)

// Policy says how long and how coarse the samples of a definition are kept.
type Policy struct {
	Name       string
	Raw        Retention
	Grid       time.Duration // slot grid of the raw samples; 0: samples keep their own times
	Duplicates DuplicateRule
	// Across is how series of this policy are combined where the dialect implies a method (ClusterCockpit's
	// "aggregation"); NoMethod: they cannot be combined.
	Across Method
}

// methodNames are the names that the dialects share. They are stable: configurations and requests carry them.
var methodNames = [...]string{NoMethod: "none", Sum: "sum", Mean: "mean", Min: "min", Max: "max"}

// String is the method's stable name.
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return "unknown"
}
