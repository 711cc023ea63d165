// Package endpoint makes the HTTP clients of a bridge: who asks, whom it trusts, how long it waits, and how much of an answer it reads.
//
// Files of secrets are read for each request, so that a new one is in force as soon as it is there. A redirection is never followed: it
// could carry the secret to somebody else. No error quotes a secret.
package endpoint
