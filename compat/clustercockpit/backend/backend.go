// Package backend asks a ClusterCockpit backend which nodes have running jobs, so that retention can spare their samples.
package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Provider is a backend. Make one with New.
type Provider struct {
	url, token string
	client     *http.Client
}

// maxAnswer bounds an answer: a million host names are about 16 MB.
const maxAnswer = 64 << 20

// New makes a provider of the backend at url, the part before "/api"; token, if not empty, is sent as Bearer.
func New(url, token string) *Provider {
	return &Provider{url: strings.TrimRight(url, "/"), token: token, client: &http.Client{Timeout: 10 * time.Second}}
}

// Close gives idle connections back.
func (p *Provider) Close() { p.client.CloseIdleConnections() }

// UsedNodes returns the hosts of each cluster that had a running job at the time. The answer is taken with and without the
// member "usedNodes" around it.
func (p *Provider) UsedNodes(ctx context.Context, at time.Time) (map[string][]string, error) {
	url := fmt.Sprintf("%s/api/jobs/used_nodes?ts=%d", p.url, at.Unix())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("used nodes: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("used nodes: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("used nodes: %s: %w", url, err)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("used nodes: %s answers %s", url, res.Status)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("used nodes: %s answers more than %d bytes", url, maxAnswer)
	}
	return parse(body)
}

func parse(body []byte) (map[string][]string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, fmt.Errorf("used nodes: %w", err)
	}
	if members == nil {
		return nil, fmt.Errorf("used nodes: the answer is %.40q, not an object", body)
	}
	if inner, ok := members["usedNodes"]; ok && len(members) == 1 && !isArray(inner) {
		members = nil
		if err := json.Unmarshal(inner, &members); err != nil {
			return nil, fmt.Errorf("used nodes: usedNodes: %w", err)
		}
		if members == nil {
			return nil, fmt.Errorf("used nodes: usedNodes is null")
		}
	}
	used := make(map[string][]string, len(members))
	for cluster, raw := range members {
		var hosts []string
		if err := json.Unmarshal(raw, &hosts); err != nil {
			return nil, fmt.Errorf("used nodes: cluster %q: %w", cluster, err)
		}
		used[cluster] = hosts
	}
	return used, nil
}

func isArray(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '[' }
