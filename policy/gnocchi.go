package policy

// Gnocchi is the name of the dialect in rules.
const Gnocchi = "gnocchi"
