// Package identity says who makes a request and what they may do: identities with their roles in tenants, and the sources
// that vouch for them. It knows no HTTP; api/edge takes credentials out of requests.
package identity
