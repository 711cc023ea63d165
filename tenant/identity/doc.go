// Package identity says who makes a request and what they may do: identities with their roles in tenants, and the sources
// that vouch for them: signed tokens, API keys, tokens of the configuration, names with passwords, header fields of
// trusted proxies and client certificates.
//
// An Authority judges a Credential and gives an Identity or an Error. It keeps no secret in the clear that it need not keep, no error
// or log line of it quotes what was shown or what a file holds, and what costs much to check is bounded and remembered.
//
// The package knows no HTTP; api/edge takes credentials out of requests.
package identity
