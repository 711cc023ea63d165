// Package line decodes bodies of line protocol into batches of samples.
//
// A line of a series that has been seen before costs one comparison of bytes and two number parses: a Cache remembers
// which series the raw bytes in front of the value stand for, and which series came after it the last time. Everything
// else, and everything that is unusual in any way, goes line by line through influxdata/line-protocol/v2, which is the
// truth: a fuzz test holds the two against each other.
//
// What a line means (which measurements are wanted, which tags make the identity, which tenant it belongs to) is said by
// a Mapping, one for each dialect; ClusterCockpit's is here because HTTP and NATS both need it.
//
// The package promises: one bad line never costs a good one; nothing carries over from one line to the next; a value is
// the float64 that strconv.ParseFloat gives; a warm and a cold cache give the same samples, counts and errors; no
// allocation for known lines; memory within the bounds of the cache. It never stores anything, never logs and never
// waits.
package line
