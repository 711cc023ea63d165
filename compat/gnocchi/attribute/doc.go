// Package attribute reads and prints the attributes of resource types as Gnocchi's API has them: what a type says of an attribute, the
// changes of a type in JSON patch, and the values that resources have. What is wrong is said in the words of Gnocchi's clients.
//
// Everything is a function of its arguments; bounds on sizes are those of package resource.
package attribute
