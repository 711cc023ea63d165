// Package when reads and prints the times of Gnocchi's API: timestamps in all their forms, timespans, calendar groups.
//
// Inside, a timestamp is nanoseconds since 1970 UTC and a timespan nanoseconds, both in 64 bits. What is read is exact: digits
// behind the nanosecond are cut off, and nothing goes through a float that has a decimal form of up to 19 digits. What 64 bits do
// not hold is refused and never wraps.
package when
