// Package alerts holds metrics against rules and tells a receiver when what it finds changes, as Mohawk's alerts do.
//
// A rule names metrics by their ids, by a query over tags, or both, and the range in which their newest values lie. At every look an
// alert is ok, firing (a value lies outside), or missing (no value to judge). A change is sent to one HTTP receiver, in order, again
// and again within bounds; what is given up is counted and logged.
//
// A Watch keeps the present state of each rule and what is still to be sent, in memory alone: states follow from the samples, and after
// a start every alert counts as ok until it is looked at. The package reads through the interface Metrics and knows neither the store
// nor how requests are answered.
package alerts
