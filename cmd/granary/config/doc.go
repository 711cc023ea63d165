// Package config reads Granary's configuration: cc-metric-store's config.json as it is, the section "granary" beside it,
// or both as YAML. docs/config.md lists every key.
//
// Load is strict: an unknown key, a key given twice, or a value of the wrong kind is an error that names file, line, key
// and what was expected; all faults of a file are reported at once. What cc-metric-store only warns about is a Warning
// here too, so that a site can swap the program and keep the file. What comes back is one flat Config in which every
// setting has its value in force, wherever in the file it stood.
//
// The package opens no socket, makes no directory and changes nothing; it reads the file, its includes, and token files
// that they name.
package config
