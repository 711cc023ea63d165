//go:build e2e

package e2e_test

import (
	"net/http"
	"sync"
	"testing"

	"granary/openapi"
	"granary/openapi/openapitest"
)

// theContract is read once: it keeps the schemas that it has compiled.
var theContract = sync.OnceValues(func() (*openapitest.Contract, error) {
	doc, err := openapi.Joined()
	if err != nil {
		return nil, err
	}
	return openapitest.New(doc.JSON)
})

// contract is the OpenAPI document of this source, which is that of the program.
func contract(t *testing.T) *openapitest.Contract {
	t.Helper()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checked checks every answer against the document.
func checked(t *testing.T, base http.RoundTripper) http.RoundTripper {
	t.Helper()
	return &openapitest.Transport{Base: base, Contract: contract(t), Report: func(err error) { t.Error(err) }}
}
