// Package openapitest checks answers against the OpenAPI document. It is for tests: those of the routes, and those that
// ask a server from outside.
//
// An answer is right if the document names its operation, status and media type, if its body fits the schema, and if its
// headers are there where the document demands them and documented where they carry a meaning of our own. A method or a path
// that the document does not know has to be refused.
package openapitest
