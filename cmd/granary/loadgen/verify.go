package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Verification says how many acknowledged samples a server still has.
type Verification struct {
	Checked   int64 `json:"checked"`
	Missing   int64 `json:"missing"`
	Different int64 `json:"different"`
	// First describes the first fault, "" if there is none.
	First string `json:"first,omitempty"`
}

// OK says whether every sample was there with its value.
func (v *Verification) OK() bool { return v.Missing == 0 && v.Different == 0 }

type query struct {
	Metric  string   `json:"metric"`
	Host    string   `json:"host"`
	Type    string   `json:"type,omitempty"`
	TypeIDs []string `json:"type-ids,omitempty"`
}

type request struct {
	Cluster     string  `json:"cluster"`
	From        int64   `json:"from"`
	To          int64   `json:"to"`
	WithStats   bool    `json:"with-stats"`
	WithPadding bool    `json:"with-padding"`
	Queries     []query `json:"queries"`
}

type result struct {
	Error      *string    `json:"error"`
	Data       []*float64 `json:"data"`
	From       int64      `json:"from"`
	Resolution int64      `json:"resolution"`
}

// Verify asks the server at base (without /api/query) for every sample of the ledger, host by host. Values are compared to the
// three decimals of the answers. It needs metrics whose frequency divides the interval of the cluster: with a coarser grid samples have
// overwritten each other.
func Verify(ctx context.Context, l *Ledger, client *http.Client, base, token string) (*Verification, error) {
	v := &Verification{}
	for h := range l.Generator.c.Hosts {
		if err := v.host(ctx, l, h, client, base, token); err != nil {
			return v, err
		}
	}
	return v, nil
}

func (v *Verification) fault(s Sample, what string) {
	if v.First == "" {
		v.First = fmt.Sprintf("%s of %s %s%s at %s: %s", s.Metric, s.Host, s.Type, s.TypeID, s.Time.UTC().Format(time.RFC3339Nano), what)
	}
}

func (v *Verification) host(ctx context.Context, l *Ledger, h int, client *http.Client, base, token string) error {
	g := l.Generator
	steps := l.host(h)
	var low, high int64 = -1, -1
	for _, s := range steps {
		if len(s) > 0 {
			if low < 0 || s[0] < low {
				low = s[0]
			}
			high = max(high, s[len(s)-1])
		}
	}
	if low < 0 {
		return nil
	}
	req := request{Cluster: g.c.Name, From: g.Time(low).Unix(), To: g.Time(high).Unix() + 1}
	for i := range steps {
		s := g.Sample(h*g.perHost+i, 0)
		q := query{Metric: s.Metric, Host: s.Host, Type: s.Type}
		if s.Type != "" {
			q.TypeIDs = []string{s.TypeID}
		}
		req.Queries = append(req.Queries, q)
	}
	rows, err := ask(ctx, client, base, token, req)
	if err != nil {
		return fmt.Errorf("host %s: %w", host(h), err)
	}
	if len(rows) != len(steps) {
		return fmt.Errorf("host %s: %d answers to %d queries", host(h), len(rows), len(steps))
	}
	for i, row := range rows {
		var r result
		if len(row) > 0 {
			r = row[0]
		}
		for _, step := range steps[i] {
			v.sample(g.Sample(h*g.perHost+i, step), r)
		}
	}
	return nil
}

func (v *Verification) sample(s Sample, r result) {
	v.Checked++
	slot := int64(-1)
	if r.Resolution > 0 && s.Time.Unix() >= r.From {
		slot = (s.Time.Unix() - r.From) / r.Resolution
	}
	if slot < 0 || slot >= int64(len(r.Data)) || r.Data[slot] == nil {
		v.Missing++
		reason := "missing"
		if r.Error != nil {
			reason = *r.Error
		}
		v.fault(s, reason)
		return
	}
	want, err := strconv.ParseFloat(strconv.FormatFloat(s.Value, 'f', 3, 64), 64)
	if got := *r.Data[slot]; err != nil || got != want {
		v.Different++
		v.fault(s, fmt.Sprintf("is %v, was sent as %v", got, s.Value))
	}
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 30

func ask(ctx context.Context, client *http.Client, base, token string, body request) ([][]result, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/query", bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
		return nil, fmt.Errorf("query: %s: %s", res.Status, bytes.TrimSpace(text))
	}
	var answer struct {
		Results [][]result `json:"results"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return answer.Results, nil
}
