package openapitest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
)

// Transport checks every answer that passes through it, and every request that was answered with success.
type Transport struct {
	Base     http.RoundTripper
	Contract *Contract
	// Report is told what is wrong. It must be safe for concurrent use.
	Report func(error)
}

// RoundTrip implements http.RoundTripper. The body is read whole before it is handed on; one that breaks off is handed on
// as far as it came, with its error, and not checked.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.Base.RoundTrip(r)
	if err != nil {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close() // it has been read, or its error is handed on
	if err != nil {
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
		return res, nil
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	if res.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gunzip(body); err != nil {
			t.Report(err)
			return res, nil
		}
	}
	a := Answer{Method: r.Method, Path: r.URL.EscapedPath(), Status: res.StatusCode, Header: res.Header, Body: body}
	if err := t.Contract.Check(a); err != nil {
		t.Report(err)
	} else if err := t.request(r, res.StatusCode); err != nil {
		t.Report(err)
	}
	return res, nil
}

// request checks a request that was taken, if its body can be had again.
func (t *Transport) request(r *http.Request, status int) error {
	if status >= 300 || r.Header.Get("Content-Encoding") != "" {
		return nil
	}
	q := Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(), ContentType: r.Header.Get("Content-Type")}
	if r.GetBody != nil {
		again, err := r.GetBody()
		if err != nil {
			return err
		}
		defer again.Close()
		if q.Body, err = io.ReadAll(again); err != nil {
			return err
		}
	}
	return t.Contract.CheckRequest(q)
}

// CloseIdleConnections does so in the base.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.Base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func gunzip(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil // HEAD
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(z)
	return plain, errors.Join(err, z.Close())
}

// broken is the end of a body that breaks off.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
