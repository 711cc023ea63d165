// Package audit keeps the audit log: who changed what the service or a tenant is set up with, who looked at more than one
// tenant, and who was refused.
//
// It promises that an entry is one line of JSON, that the file is its owner's alone, that a file which was moved away is left
// and a new one begun, and that what fails often does not fill the disk. A failure to write is counted and logged, and keeps
// nobody from their work.
//
// It never holds what is secret: callers name credentials, they do not quote them.
package audit
