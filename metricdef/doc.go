// Package metricdef says what a series is: definitions, their tags, and the searches over them.
//
// A Registry holds the definitions of one partition. Writers Resolve a key text to the small integer Ref that addresses
// the series everywhere else; readers Get a definition by its ref, Select refs by conditions on tags (package match), and
// walk the tree of clusters, hosts and levels. The registry changes only by records that its owner journals: Reserve
// makes a definition that writers see, AppendRecord writes its record, Apply makes it visible to readers, live and in
// replay alike, and Remove ends it. What changes is handed to a Sink, behind which package catalog keeps a file.
//
// It promises that a ref is never used for two definitions, that no search shows a definition of another tenant, that
// look-ups of keys and in the tree do not allocate, and that a million definitions fit into 150 MB.
//
// It never writes a journal, never reads a clock, knows nothing of samples, policies and dialects, and never makes a
// definition from a read. DESIGN.md describes the memory layout, the locks and what holds between the parts.
package metricdef
