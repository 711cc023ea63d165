// Package journal is the write-ahead log: the only thing that a write waits for, and the only truth after a crash.
//
// A log is a row of records with consecutive numbers in one partition. Records are gathered in a Group, where the
// caller encodes them in place, and a group goes into the log with one write. Log is the interface; File is the log in
// a directory of segment files, whose format DESIGN.md gives byte by byte.
//
// The package promises:
//
//   - After Append has returned nil, the group is in the log: on the medium with Always, in the kernel otherwise. After
//     an error nothing of it is, and Last is what it was.
//   - ReadFrom hands out records in ascending order of their numbers, each once, and only such whose checksum holds.
//   - A place that cannot be read costs the records in it and no others. Its bytes are copied to quarantine.
//   - Synced never names a record that a power cut could take.
//   - A segment whose fsync failed is never written again. What it held unsynced is carried over into the next one.
//   - A file of a newer format is refused by name and left as it is.
//
// It never looks into a payload, never reads a clock (the write time is the caller's), never removes a segment on its
// own, and never decides when to start a new one.
package journal
