// Package openapi serves the description of Granary's HTTP API, an OpenAPI 3.1 document, and a page to read it and try it.
//
// The document is kept by hand, a file for each area in the folder document; the files are joined when the document is first asked
// for. It is the promise, and the routers are the truth: tests hold the two against each other, route by route, and
// every answer that the end-to-end tests see is checked against it.
//
// What is served is the same for everybody, needs no identity and names no other host: the page is Swagger UI, whose
// files are in the binary. The package knows no dialect and holds nothing of the service.
package openapi
