// Package keystone asks OpenStack's identity service, Keystone v3, whose a token is.
//
// What it has answered is remembered by the hash of the token, for a bounded number of tokens, so that most requests ask nobody. A token
// never counts longer than Keystone says, and is asked about again after a while, for it may have been taken back. While Keystone does not
// answer, what it said before goes on to hold. It never tells a token to anybody else, nor to the log.
package keystone
