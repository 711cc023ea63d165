// Package queue shares out, between tenants, what all of them want at the same time: memory for bodies, places for queries,
// processors, and the way into the journal.
//
// A Fair is a number of units, such as bytes, of which each tenant has a Queue. A Ticket is what one piece of work holds of
// it. Turns share out processors in quanta; a piece of work takes turns with its ticket. Who goes next is found by deficit
// round robin (Shreedhar and Varghese), with a list for those who have just begun to wait, as in FQ-CoDel (RFC 8290): who wants
// little hardly waits for who wants much.
//
// It promises that the bounds hold at every moment, but for what the documentation of Fair says; that nobody waits for ever
// beside others; that weights hold within a quantum and the largest piece; that a wait ends with its time or its context; and
// that nothing is lost between room given and a caller who has stopped waiting. Where nobody waits, entering is two
// uncontended locks and a quantum one atomic look, and neither needs memory.
//
// It knows neither what the work is nor where it comes from.
package queue
