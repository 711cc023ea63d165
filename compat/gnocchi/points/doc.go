// Package points reads bodies of measures as Gnocchi takes them, in one pass and into columns: lists of {"timestamp", "value"}, alone, by
// the id of a metric, or by resource and name.
//
// It promises that a body is read as a whole or refused with what the reference says of it (a *schema.Error, or a *pyjson.SyntaxError
// for what is no JSON), and that every time that it gives can be stored. It finds no metrics, and knows no rights.
package points
