// Package lineout prints line protocol: the way out for what package line reads in. Import and export share it.
//
// It promises that what it prints is read back as the same name, the same tags, the same time and a value with equal bits,
// or it answers an error. It never drops or replaces a character to make something printable. It holds no state.
package lineout
