package policy

import "time"

// BuiltIn are the policies that Gnocchi installations begin with, by their names: low, medium, high and bool. Raw samples
// live only in the window, times are counted from the newest sample, and of equal times in one batch the smallest value stays.
// A configuration has them unless it gives others of these names.
func BuiltIn() []Policy {
	gnocchi := func(name string, window int, methods []Method, tiers ...Tier) Policy {
		return Policy{Name: name, Raw: Retention{Length: WindowOnly, Clock: NewestClock}, Duplicates: SmallestThenLater,
			Tiers: tiers, Methods: methods, BackWindow: window}
	}
	minutes, hours := Tier{time.Minute, 10080}, Tier{time.Hour, 8760}
	return []Policy{
		gnocchi("bool", 3600, []Method{Last}, Tier{time.Second, 31_536_000}),
		gnocchi("high", 0, DefaultMethods(), Tier{time.Second, 3600}, minutes, hours),
		gnocchi("low", 0, DefaultMethods(), Tier{5 * time.Minute, 8640}),
		gnocchi("medium", 0, DefaultMethods(), minutes, hours),
	}
}
