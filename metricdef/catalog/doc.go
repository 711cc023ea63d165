// Package catalog keeps small state of the service (definitions, tenants, policies) in one bbolt file that follows
// behind the journal. The appliers put every change into a queue together with the sequence number of its record; a
// flush writes the queue in one transaction, with the position up to which the file then holds everything.
//
// It promises that no position is committed before the journal is synced up to it, that a damaged or newer file gives
// an error that says so (DamagedError, NewerError), and that a newer file is left as it was. Of what the queue
// has written it reads nothing back, since every page that is touched counts as memory of the process, and it knows nothing
// of what the values mean. Rooms that keep more than fits into memory read and write their own buckets with View and Update.
package catalog
