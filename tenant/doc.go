// Package tenant says who: the tenants of the service, their ids, their small numbers and their limits.
//
// A tenant comes into being by a journal record. A writer reserves it (Reserve), the record is committed, and Apply makes it
// visible; a commit that fails withdraws it. Replay calls Apply alone. What a reservation holds is seen by writers
// (Resolve) at once and by readers (Lookup, ByNum, All) only after Apply.
//
// The package keeps no samples and no definitions, reads no clock, and never makes a tenant on behalf of a read.
package tenant
