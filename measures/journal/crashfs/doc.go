// Package crashfs is a file system in memory for tests of code that must survive a crash. It keeps apart what the
// kernel knows and what the medium holds, can be stopped after any step, and can make any step fail.
//
// A test runs its code on an FS, stops it somewhere, and goes on with what Crash (the power was cut) or Kill (only the
// process ended) left. The model is meaner than most file systems: of the bytes written since the last Sync of a file any
// sectors may have reached the medium, a name is safe only after SyncDir, and bytes that a failed Sync did not write are
// not written by the next one either, although reads still return them, as on Linux.
//
// The package knows nothing of what it tests. Methods have the shapes that the FS interfaces of the journal and of the
// segment files ask for, except that handles have a type of their own; a test wraps Create and Open in three lines.
package crashfs
