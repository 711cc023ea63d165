// Package pyjson reads and writes JSON as Gnocchi does, which is written in Python: objects keep the order of their members, the
// bare tokens NaN, Infinity and -Infinity are numbers, everything beyond ASCII is escaped, and separators have a space behind them.
//
// Values are nil, bool, string, Number, []any and *Object. The package knows neither HTTP nor what a value means.
package pyjson
