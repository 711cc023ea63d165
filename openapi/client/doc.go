// Package client is a client of the native API, made by oapi-codegen from the OpenAPI document.
//
// It shows that the document is one that tools can work with, and is kept here so that a change of the document shows what
// it does to clients. It is no part of the service. After a change of the document make it anew:
//
//	go test ./openapi/client -run TestGenerated -rewrite
package client
