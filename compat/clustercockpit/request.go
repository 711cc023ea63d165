package clustercockpit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// queryRequest is the body of /api/query.
type queryRequest struct {
	Cluster     string   `json:"cluster"`
	From        int64    `json:"from"` // seconds
	To          int64    `json:"to"`
	Queries     []query  `json:"queries"`
	ForAllNodes []string `json:"for-all-nodes"`
	WithStats   bool     `json:"with-stats"`
	WithData    bool     `json:"with-data"`
	WithPadding bool     `json:"with-padding"`
}

// query asks for one row of the answer.
type query struct {
	Metric     string   `json:"metric"`
	Host       string   `json:"host"`
	Hostname   string   `json:"hostname"` // what the published example sends
	Type       *string  `json:"type"`
	TypeIDs    []string `json:"type-ids"`
	SubType    *string  `json:"subtype"`
	SubTypeIDs []string `json:"subtype-ids"`
	Aggregate  bool     `json:"aggreg"`
	Resolution int64    `json:"resolution"` // seconds; 0: that of the data
	Scale      scale    `json:"scale-by"`
}

// scale is a factor; null is NaN. 0 and 1 change nothing.
type scale float64

// UnmarshalJSON implements json.Unmarshaler. The texts of its errors are strconv's.
func (s *scale) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*s = scale(math.NaN())
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	*s = scale(f)
	return err
}

// decodeQuery reads the first JSON value of body; what follows it is ignored. The text of an error is what clients of the
// original see.
func decodeQuery(body []byte, req *queryRequest) error {
	if fastQuery(body, req) {
		return nil
	}
	*req = queryRequest{WithStats: true, WithData: true, WithPadding: true}
	return decodeFirst(body, req)
}

func decodeFirst(body []byte, v any) error {
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(v); err != nil {
		return &requestError{text: peerText(err)}
	}
	return nil
}

// requestError is a body that is not the JSON that was asked for.
type requestError struct{ text string }

func (e *requestError) Error() string { return e.text }

// Kind implements the kinds of errors.
func (*requestError) Kind() string { return "invalid" }

// Code implements the codes of errors.
func (*requestError) Code() string { return "request-syntax" }

// The names that the types have in cc-metric-store; its error texts show them.
var (
	peerStructs = map[string]string{"queryRequest": "APIQueryRequest", "query": "APIQuery"}
	peerTypes   = strings.NewReplacer("clustercockpit.queryRequest", "api.APIQueryRequest", "clustercockpit.query", "api.APIQuery")
)

// peerText is the text of an error of encoding/json as a program with the original's types would print it.
func peerText(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		typ := peerTypes.Replace(wrong.Type.String())
		if wrong.Struct == "" && wrong.Field == "" {
			return fmt.Sprintf("json: cannot unmarshal %s into Go value of type %s", wrong.Value, typ)
		}
		name := wrong.Struct
		if peer, ok := peerStructs[name]; ok {
			name = peer
		}
		return fmt.Sprintf("json: cannot unmarshal %s into Go struct field %s.%s of type %s", wrong.Value, name, wrong.Field, typ)
	case errors.Is(err, io.EOF):
		return "EOF"
	}
	return err.Error()
}

// checkCount refuses a request with more objects than there may be queries: an object is a query, and one of two bytes
// in the body is one of two hundred in memory.
func (d *Dialect) checkCount(body []byte) error {
	if n := bytes.Count(body, []byte{'{'}); n > d.o.Queries+1 {
		return &countError{n: n - 1, limit: d.o.Queries}
	}
	return nil
}

type countError struct{ n, limit int }

func (e *countError) Error() string {
	return fmt.Sprintf("request has %d queries, the limit is %d (setting %s)", e.n, e.limit, settingQueries)
}

// Kind implements the kinds of errors.
func (*countError) Kind() string { return "invalid" }

// Code implements the codes of errors.
func (*countError) Code() string { return "query-limit" }
