// Package export prints a store as line protocol: the way back out of Granary.
//
// Each line carries all tags of its series, one field "value" and a time. What it prints may be written to /api/write
// again, of this server or another, and gives values with equal bits; texts and states are string fields, which /api/write counts as
// unmapped and /v2/measures takes as texts. Tags of single samples have no form in lines and are left out. It promises to say how many samples line
// protocol had no form for; it never changes a value or a name to make one fit. It writes in the order of the series and
// of their samples, and holds no more than one buffer.
package export
