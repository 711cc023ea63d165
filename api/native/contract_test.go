package native

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"granary/openapi"
	"granary/openapi/openapitest"
)

// TestMain fails if an answer that any test has seen is not as the OpenAPI document says.
func TestMain(m *testing.M) {
	code := m.Run()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, err := range seen.wrong {
		fmt.Println("an answer that is not as the OpenAPI document says:", err)
		code = 1
	}
	os.Exit(code)
}

// seen keeps what is wrong with answers, once for each message.
var seen struct {
	mu    sync.Mutex
	known map[string]bool
	wrong []error
}

var contract = sync.OnceValue(func() *openapitest.Contract {
	doc, err := openapi.Joined()
	if err != nil {
		panic(err)
	}
	c, err := openapitest.New(doc.JSON)
	if err != nil {
		panic(err)
	}
	return c
})

// inPart finds the answer to a request of which a part was refused.
var inPart = regexp.MustCompile(`"(failed|rejected)":[1-9]`)

// compareWithDocument checks an answer, and a request that was taken, against the OpenAPI document. That all routes are there is tested where they are put
// together; here tests make up some of their own.
func compareWithDocument(r *http.Request, body string, w *httptest.ResponseRecorder) {
	method, path := r.Method, r.URL.EscapedPath()
	if len(path) > len(Prefix)+1 {
		path = strings.TrimSuffix(path, "/")
	}
	if _, _, known := contract().Find(method, path); !known {
		return
	}
	err := contract().Check(openapitest.Answer{Method: method, Path: path, Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()})
	if err == nil && w.Code < 300 && r.Header.Get("Content-Encoding") == "" && !inPart.Match(w.Body.Bytes()) {
		err = contract().CheckRequest(openapitest.Request{Method: method, Path: path, Query: r.URL.Query(), ContentType: r.Header.Get("Content-Type"), Body: []byte(body)})
	}
	if err == nil {
		return
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	text := err.Error()
	if !seen.known[text] && len(seen.wrong) < 30 {
		if seen.known == nil {
			seen.known = map[string]bool{}
		}
		seen.known[text] = true
		seen.wrong = append(seen.wrong, err)
	}
}
