// Package filter reads what Gnocchi's searches of resources ask: the language of filters, and queries in JSON.
//
//	server_group = "web" and not (host like 'compute%' or flavor_id in [1, 2]) and ended_at = null
//	{"and": [{"=": {"server_group": "web"}}, {"not": {"like": {"host": "compute%"}}}]}
//
// Both become one tree, a Query, and the tree becomes a query of the store once the type of the resources is known: then values take
// the form of their attribute, or are refused. In filters not binds strongest, then and, ∧, or, ∨; their words are lower case. The
// name of an attribute that is no plain word stands in quotes, like a text.
//
// Everything is bounded in depth and size, and takes time in proportion to what is read. The package knows neither HTTP nor resources.
package filter
