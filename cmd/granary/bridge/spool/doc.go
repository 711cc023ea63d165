// Package spool keeps bodies of line protocol on disk until a server has taken them: a queue, first in, first out, that a process that
// is killed leaves whole. It is a measures/journal with two kinds of records, and a lock that keeps a second process out. DESIGN.md says
// how it is used.
//
// The package promises:
//
//   - After Append has returned nil, the body is on the medium, and is handed out by Next until Done says that it was taken, also by the
//     next process.
//   - Bodies are handed out in the order in which they came. One that was taken may be handed out again after a crash, never one that
//     was taken long before.
//   - The spool is bounded in bytes, and bodies in age. What that costs is counted in lines, by reason, and logged.
//   - A body that cannot be put on disk is kept in memory, within the same bound; Append says so.
//   - Damaged bytes cost the bodies that they belong to and no others.
//
// It never looks into a body, but for counting its lines.
package spool
