//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"granary/openapi/client"
)

// TestGeneratedClient makes one round with the client that is generated from the OpenAPI document: a tenant, a policy, a
// write, a search by a regular expression, and a query.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	p := serve(t, "", filepath.Join(t.TempDir(), "data"))
	c, err := client.NewClientWithResponses(p.url, client.WithHTTPClient(p.client))
	if err != nil {
		t.Fatal(err)
	}
	ctx, shop := t.Context(), client.TenantID("shop")

	made, err := c.CreateTenantWithResponse(ctx, nil, client.TenantDraft{Id: shop})
	if err != nil || made.JSON201 == nil || made.JSON201.Id != shop {
		t.Fatalf("tenant: %v %s", err, made.Body)
	}

	var minute, week client.DurationIn
	must(t, minute.FromDuration("1m"))
	must(t, week.FromDuration("1w"))
	policy, err := c.CreatePolicyWithResponse(ctx, &client.CreatePolicyParams{Tenant: &shop}, client.PolicyDraft{
		Name: "web", Methods: &[]client.Method{"mean", "95pct"}, Tiers: &[]client.TierDraft{{Granularity: &minute, Timespan: &week}},
	})
	if err != nil || policy.JSON201 == nil || len(policy.JSON201.Tiers) != 1 || *policy.JSON201.Tiers[0].Points != 7*24*60 {
		t.Fatalf("policy: %v %s", err, policy.Body)
	}

	// Four samples of two hosts, two in each of two minutes.
	base := time.Now().Add(-time.Hour).Truncate(time.Minute).Unix()
	var metrics []client.Measures
	for host := range 2 {
		var samples []client.SampleIn
		for i := range int64(4) {
			var at, value client.TimeOrValue
			must(t, at.FromTimeOrValue0(float64(base+30*i)))
			must(t, value.FromTimeOrValue0(float64(host*10)+float64(i)))
			var s client.SampleIn
			must(t, s.FromSampleIn0([]client.TimeOrValue{at, value}))
			samples = append(samples, s)
		}
		name := "seconds"
		metrics = append(metrics, client.Measures{Name: &name, Tags: &client.Tags{"host": fmt.Sprint("web", host)}, Policy: &policy.JSON201.Name, Samples: samples})
	}
	var body client.WriteMeasuresJSONRequestBody
	must(t, body.FromMeasuresBody1(metrics))
	written, err := c.WriteMeasuresWithResponse(ctx, &client.WriteMeasuresParams{Tenant: &shop}, body)
	if err != nil || written.JSON200 == nil || written.JSON200.Stored != 8 || written.JSON200.Rejected != 0 {
		t.Fatalf("measures: %v %s", err, written.Body)
	}

	found, err := c.ListMetricsWithResponse(ctx, &client.ListMetricsParams{Tenant: &shop, Tag: &client.TagCondition{"host=~web[1-9]"}})
	if err != nil || found.JSON200 == nil || len(found.JSON200.Metrics) != 1 || found.JSON200.Metrics[0].Tags["host"] != "web1" || found.JSON200.Metrics[0].Policy.Name != "web" {
		t.Fatalf("metrics: %v %s", err, found.Body)
	}

	mean := client.Method("mean")
	var selector client.Selector
	must(t, selector.FromSelectorTree(client.SelectorTree{Tag: new("host"), Op: new(client.SelectorTreeOp("=~")), Value: new("web.*")}))
	var start, end client.TimeIn
	must(t, start.FromTimeIn0(float64(base)))
	must(t, end.FromTimeIn0(float64(base+120)))
	answer, err := c.QueryWithResponse(ctx, &client.QueryParams{Tenant: &shop}, client.QueryRequest{
		Selector: &selector, Start: &start, End: &end, Bucket: &minute, Method: &mean, Across: &mean,
	})
	if err != nil || answer.JSON200 == nil || len(answer.JSON200.Frames) != 1 {
		t.Fatalf("query: %v %s", err, answer.Body)
	}
	var values []float64
	for _, item := range answer.JSON200.Frames[0].Values {
		v, err := item.AsFrameValues0()
		must(t, err)
		values = append(values, v)
	}
	if fmt.Sprint(values) != "[5.5 7.5]" {
		t.Errorf("the means are %v", values)
	}

	unknown, err := c.ReadPolicyWithResponse(ctx, "nothing", &client.ReadPolicyParams{Tenant: &shop})
	if err != nil || unknown.StatusCode() != http.StatusNotFound || unknown.ApplicationproblemJSON404 == nil || *unknown.ApplicationproblemJSON404.Code != "policy-unknown" {
		t.Errorf("a policy that does not exist: %v %s", err, unknown.Body)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
