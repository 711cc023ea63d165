// Package mapping makes samples of samples: it gives what other monitoring sends the names, tags and units that ClusterCockpit asks for.
// A Table is a list of rules; each says which series it takes, by name and labels, and what comes out of them: under another name, with
// labels that have become tags, scaled, as a rate, or as the sum, mean, least or greatest of all that fall together.
//
// All dialects that take samples in bulk use the same table. They ask it for the Source of a series when they meet the series for the first
// time, remember it, and hand each sample over with it.
//
// What it promises: a body that is sent again, because the store did not take it or because its sender did not hear the answer, gives the
// same samples; bodies that come at the same time give the same as one after the other; what comes out lies in the tenant of what goes in;
// memory is bounded, and no tenant takes that of another; everything that gives nothing is counted by reason; handing a sample over
// allocates nothing. State lives in memory only: DESIGN.md says what a start costs.
//
// It decodes nothing, logs nothing, and never stores anything that no sample has come for.
package mapping
