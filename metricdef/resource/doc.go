// Package resource says what metrics belong to: resources of types with typed attributes, their revisions, and the searches over
// them.
//
// A Registry holds the resource types of the service and the resources of all tenants. It changes only by records that its owner
// journals: AppendCreate, AppendUpdate, AppendRemove and their like for types write what will be, Apply and its like make it so, live
// and in replay alike. What changes is handed to a Sink, behind which a catalog keeps a file.
//
// It promises that a resource is found under its own tenant only, unless the caller asks for several; that a search over 100,000
// resources by any attribute takes less than 10 ms and holds up writers for a small part of that; and that a record is enough to know a
// resource.
//
// It never writes a journal, never reads a clock, knows nothing of metrics, rights and dialects, and never calls back under
// its lock but to ask whether a tenant is gone. DESIGN.md describes the memory layout, the locks and the records.
package resource
