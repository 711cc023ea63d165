// Package edge is what every HTTP dialect shares: the dispatch of a path to the dialect that owns it, identity and scope
// in the request's context, request bodies read whole under a limit, answers compressed where the client asks for it,
// the number-appending JSON writer, recovery from panics, and the access log.
//
// It promises that a body or an answer is never larger than the limit that was set, that an error about a limit names
// the limit and the setting that changes it, and that a panic in a handler becomes an answer and a log line.
//
// It knows no dialect: it never decides a status or a text that a client of some dialect relies on. It never reads a
// clock of its own, and it never stores anything.
package edge
