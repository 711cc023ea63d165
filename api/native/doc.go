// Package native is Granary's own REST, below /v2: tenants, policies, metrics, measures and queries in JSON.
//
// It promises that every answer that is no success is a problem document (RFC 9457) with a stable code, that a member or
// parameter that it does not know is refused by name and never passed over, and that a read makes nothing: not a tenant,
// not a metric. It keeps no state.
//
// It never tells one tenant of another: what belongs to somebody else is answered like what does not exist.
package native
