// Package ingest is the one write path: it decodes what a dialect received, hands the batches to the store, one tenant
// after the other, and tells the dialect what became of every line.
//
// What it promises: all good lines of a body are stored, whatever the others are; when WriteLines returns, what the
// Result calls stored is in the journal; a series that ended while its samples were on their way is made anew, not lost;
// everything that was not stored is counted by reason, and the log says so at most once in ten seconds. It knows no
// dialect: that is the Mapping's part (package line).
package ingest
