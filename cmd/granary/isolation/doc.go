// Package isolation holds two tenants against each other: whatever one of them asks for, through any route of any dialect,
// with any rights and in any form, it sees nothing of the other's and changes nothing of the other's.
//
// The test runs two services at once, two worlds, under one clock that stands still. In both of them tenant A is the same and
// sends the same requests. Tenant B is another one in each: other names, other samples, other requests, and there are
// tenants in one world that the other does not have. What A is answered must be the same in both worlds, byte for byte, so it
// cannot depend on anything of B's: no name, count, cursor or error does. Three more proofs stand beside this one:
//
//   - All that B makes up carries a mark. No answer to A has one that A was not told beforehand, and no answer to B one of A's.
//   - Everything that B has, read by an operator through all routes, is the same before and after A's requests.
//   - No line of the log holds a secret.
//
// Requests are made from the OpenAPI document, so a new route is attacked as soon as it is documented, which other tests
// insist on. A route for which no valid request can be made fails the test: it would be attacked with rubbish alone.
//
// The environment changes what is done:
//
//	GRANARY_ISOLATION=2h       how long to look for differences; a few seconds if it is not set
//	GRANARY_ISOLATION_SEED=7   the seed of all requests; each run logs the one it took
//
// The package holds tests only and is imported by nothing.
package isolation
