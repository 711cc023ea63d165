// Package match holds the conditions that searches put on tags: matchers for one tag, joined by And, Or and Not.
//
// A tag that a definition does not have counts as one with the empty value, as in Prometheus: Equal(name, "") holds for
// definitions without the tag, NotEqual(name, "x") too, and so does every regular expression that matches the empty text.
// Tags never have empty values themselves.
//
// Regular expressions are RE2 and match whole values; the dot matches every character. An expression is analysed once,
// when its matcher is made: a finite set of texts becomes look-ups, and texts with gaps between them (prefix, suffix,
// contained in order) become comparisons. Only what is left runs an automaton, behind a check of the text that every
// match must begin and end with: tables with one look-up for each character, if they are small, else that of the library. An expression of look-around, or one beyond the limits, is refused by name.
//
// Parse reads a condition from a text such as cpu_load{host=~"n0.*",gpu exists}, and Text prints one. Bounds on the levels,
// the matchers and what these hold together keep a short text from becoming a large expression.
//
// The package knows neither definitions nor indexes. Matchers are immutable and safe for concurrent use.
package match
