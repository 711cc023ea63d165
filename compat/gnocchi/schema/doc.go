// Package schema checks the values of request bodies and says what is wrong in the words that Gnocchi's clients know: those of the
// Python library voluptuous, "expected str for dictionary value @ data['name']". Only the first fault is told.
package schema
