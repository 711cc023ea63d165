//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"
)

// selector is one query of a request to /api/query.
type selector struct {
	Metric  string   `json:"metric"`
	Host    string   `json:"host"`
	Type    string   `json:"type,omitempty"`
	TypeIDs []string `json:"type-ids,omitempty"`
	Aggreg  bool     `json:"aggreg,omitempty"`
}

// question is a request to /api/query.
type question struct {
	Cluster     string     `json:"cluster"`
	From        int64      `json:"from"`
	To          int64      `json:"to"`
	WithStats   bool       `json:"with-stats"`
	WithPadding bool       `json:"with-padding"`
	Queries     []selector `json:"queries"`
	ForAllNodes []string   `json:"for-all-nodes,omitempty"`
}

// column is one object of the results.
type column struct {
	Error      *string         `json:"error"`
	Data       json.RawMessage `json:"data"`
	From       int64           `json:"from"`
	To         int64           `json:"to"`
	Resolution int64           `json:"resolution"`
}

// ask sends a question and gives the bytes of the answer.
func (p *process) ask(q question) (int, []byte) {
	body, err := json.Marshal(q)
	if err != nil {
		panic(err)
	}
	status, _, answer := p.do(http.MethodPost, "/api/query", nil, bytes.NewReader(body))
	return status, answer
}

// results reads the answer to a question.
func results(answer []byte) ([][]column, error) {
	var a struct {
		Results [][]column `json:"results"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, fmt.Errorf("answer %.200q: %w", answer, err)
	}
	return a.Results, nil
}

// mustAsk gives the results of a question that must be answered.
func (p *process) mustAsk(q question) [][]column {
	p.t.Helper()
	status, answer := p.ask(q)
	if status != http.StatusOK {
		p.t.Fatalf("query: %d %s\n%s", status, answer, p.log)
	}
	r, err := results(answer)
	if err != nil {
		p.t.Fatal(err)
	}
	if len(r) < len(q.Queries) {
		p.t.Fatalf("%d results for %d queries", len(r), len(q.Queries))
	}
	return r
}

// hole stands for null among thousandths.
const hole = int64(-1) << 62

// thousandths appends the numbers of an array as the answer prints them: three decimals, which it counts in.
func thousandths(dst []int64, data []byte) ([]int64, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || bytes.Equal(data, []byte("null")) || bytes.Equal(data, []byte("[]")) {
		return dst, nil
	}
	if len(data) < 2 || data[0] != '[' || data[len(data)-1] != ']' {
		return dst, fmt.Errorf("data %.80q is no array", data)
	}
	for part := range bytes.SplitSeq(data[1:len(data)-1], []byte(",")) {
		if string(part) == "null" {
			dst = append(dst, hole)
			continue
		}
		whole, decimals, ok := bytes.Cut(part, []byte("."))
		n, err := strconv.ParseInt(string(whole)+string(decimals), 10, 64)
		if !ok || len(decimals) != 3 || err != nil {
			return dst, fmt.Errorf("number %q does not have three decimals", part)
		}
		dst = append(dst, n)
	}
	return dst, nil
}

// values gives the data of the only column that a series has from one second to another; holes are hole.
func (p *process) values(cluster string, s selector, from, to int64) (column, []int64) {
	p.t.Helper()
	r := p.mustAsk(question{Cluster: cluster, From: from, To: to, Queries: []selector{s}})[0]
	if len(r) != 1 {
		p.t.Fatalf("%+v: %d columns", s, len(r))
	}
	v, err := thousandths(nil, r[0].Data)
	if err != nil {
		p.t.Fatal(err)
	}
	return r[0], v
}

// expect fails the test if a series does not have just these values, in thousandths, from one second on.
func expect(t *testing.T, p *process, cluster string, s selector, from, step int64, want ...int64) {
	t.Helper()
	c, got := p.values(cluster, s, from, from+step*int64(len(want)))
	if c.Error != nil || fmt.Sprint(got) != fmt.Sprint(want) || c.From != from || c.Resolution != step {
		t.Errorf("%s %+v from %d step %d: %v from %d step %d (%s), want %v", cluster, s, from, step, got, c.From, c.Resolution, show(c.Error), want)
	}
}

func show(s *string) string {
	if s == nil {
		return "no error"
	}
	return *s
}
