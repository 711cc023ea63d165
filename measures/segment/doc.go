// Package segment keeps samples at rest in files: segment files of sealed chunks, the state file of open heads, and the
// manifest that says which of them count.
//
// A file is written once, under a temporary name, synced, and renamed; after that it never changes. What is not in the
// manifest does not exist, so a snapshot may end at any step and the one before it stays whole. DESIGN.md gives the
// formats byte by byte.
//
// The package promises:
//
//   - Every byte that is read is under a checksum. What does not hold it is a *DamagedError, which names file and reason.
//   - A file of a newer format is a *NewerFormatError and stays as it is.
//   - No number in a file makes a reader allocate more than the file is long.
//
// It never looks into a payload, knows neither chunks nor series, reads no clock, and keeps no index in memory: the
// owner takes the entries of a file once and keeps of them what it needs.
package segment
