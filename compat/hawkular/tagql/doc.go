// Package tagql reads Hawkular's queries over tags and Mohawk's, and makes conditions for the index of them.
//
// A text is tried as an expression first and, if it is none, as a list:
//
//	a1 ~ 'web.*' AND (b1 != 'B' OR c1 IN ['x', 'y.*']) AND NOT d1
//	descriptor_name:memory/usage|cpu/usage_rate,type:pod,!stale:x
//
// AND and OR bind equally and are read from left to right. Whatever compares a value asks for the tag to exist, also !=, !~, NOT IN
// and the negation of a list. In Hawkular's lists a value is a text, or a regular expression if it has a character that texts
// do not have; in Mohawk's it is an expression always. All expressions are RE2 and match whole values.
//
// Clients may have a tag "__name__", which is none in the store; Stored and Shown translate.
//
// Parse is pure, takes time in proportion to the text, and refuses what is too long, too deep or too large. What it answers can be
// searched for: bounds on levels and on matchers are those of package match. The package knows neither HTTP nor an index.
package tagql
