package native

import (
	"net/http"

	"granary/api/edge"
	"granary/measures"
	"granary/measures/chunk"
	"granary/metricdef"
	"granary/policy"
)

func (a *API) statusRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/status", right: enters, serve: a.status, early: true},
		{method: http.MethodGet, path: "/capabilities", right: enters, serve: a.capabilities, early: true},
	}
}

// statusAnswer is the answer of GET /v2/status.
type statusAnswer struct {
	Ready    bool           `json:"ready"`
	Progress string         `json:"progress,omitzero"` // how far the start is; not there when ready
	Version  string         `json:"version"`
	Time     int64          `json:"time"` // of the service, milliseconds
	Tenant   statusTenant   `json:"tenant"`
	Service  *statusService `json:"service,omitzero"` // for operators
}

// statusTenant is what is said of the tenant that asks.
type statusTenant struct {
	ID     string `json:"id"`
	Exists bool   `json:"exists"`
	Series int    `json:"series"`
	Limit  int64  `json:"series_limit"` // 0: none
	Held   held   `json:"held"`
}

// statusService is what is said of the whole service.
type statusService struct {
	Tenants int   `json:"tenants"`
	Series  int   `json:"series"`
	Samples int64 `json:"samples"` // since start
	Late    int64 `json:"late"`
	// Overwritten samples replaced another of the same time.
	Overwritten int64  `json:"overwritten"`
	Expired     int64  `json:"expired"`
	Dropped     int64  `json:"dropped"` // for the memory cap
	Memory      memory `json:"memory"`
	Journal     struct {
		Position uint64 `json:"position"` // the last record
		Synced   uint64 `json:"synced"`   // the last record that is on disk for sure
		Bytes    int64  `json:"bytes"`
		Failures int64  `json:"failures"`
	} `json:"journal"`
	Segments struct {
		Files int   `json:"files"`
		Bytes int64 `json:"bytes"`
	} `json:"segments"`
	Snapshots    int64 `json:"snapshots"`
	LastSnapshot int64 `json:"last_snapshot"` // milliseconds; 0: none since start
	DiskLow      bool  `json:"disk_low"`      // writes are refused
}

func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	out := statusAnswer{Ready: true, Version: a.o.Version, Time: a.o.Now().UnixMilli()}
	if a.o.Ready != nil {
		out.Ready, out.Progress = a.o.Ready()
	}
	if out.Ready {
		out.Progress = ""
	}
	out.Tenant.ID = string(tenantOf(r))
	if t, ok := a.reading(r); ok {
		if out.Ready {
			out.Tenant.Held = heldOf(a.o.Store.Held(t.Num))
		}
		out.Tenant.Exists, out.Tenant.Series, out.Tenant.Limit = true, a.o.Definitions.Count(t.Num), a.o.Tenants.Limits(t.Num).Series
	}
	if edge.IdentityFrom(r.Context()).Operator() && out.Ready {
		out.Service = serviceOf(a.o.Store.Stats())
	}
	return a.send(w, r, http.StatusOK, &out)
}

func serviceOf(s measures.Stats) *statusService {
	o := &statusService{
		Tenants: s.Tenants, Series: s.Series, Samples: s.Samples, Late: s.Late, Overwritten: s.Overwritten, Expired: s.Expired, Dropped: s.Dropped,
		Snapshots: s.Snapshots, LastSnapshot: s.LastSnapshot / 1e6, DiskLow: s.DiskLow,
	}
	o.Memory = memoryOf(s.Memory)
	o.Journal.Position, o.Journal.Synced, o.Journal.Bytes, o.Journal.Failures = s.JournalLast, s.JournalSynced, s.JournalBytes, s.JournalFailures
	o.Segments.Files, o.Segments.Bytes = s.SegmentFiles, s.SegmentBytes
	return o
}

// Limit is one bound of the service, and the setting that changes it.
type Limit struct {
	Value   int64  `json:"value"` // 0: none
	Setting string `json:"setting"`
}

// Capabilities are what the service can do beyond what this package knows.
type Capabilities struct {
	Dialects []string         // those that are turned on
	Limits   map[string]Limit // by name
}

// capabilitiesAnswer is the answer of GET /v2/capabilities.
type capabilitiesAnswer struct {
	Version     string              `json:"version"`
	Types       []string            `json:"types"`
	Kinds       []string            `json:"kinds"`
	States      []string            `json:"states"`
	Methods     []string            `json:"methods"`
	Percentiles percentiles         `json:"percentiles"`
	RatePrefix  string              `json:"rate_prefix"`
	Times       []string            `json:"times"`
	Writes      []string            `json:"writes"` // media types of POST /v2/measures
	Encodings   map[string][]string `json:"encodings"`
	Codecs      []string            `json:"codecs"`
	Dialects    []string            `json:"dialects"`
	Limits      map[string]Limit    `json:"limits"`
}

type percentiles struct {
	Suffix   string  `json:"suffix"`
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	Decimals int     `json:"decimals"`
}

func (a *API) capabilities(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	out := capabilitiesAnswer{
		Version: a.o.Version, Percentiles: percentiles{"pct", 0.01, 99.99, 2}, RatePrefix: "rate:",
		Encodings: map[string][]string{"request": {"gzip", "zstd", "deflate", "identity"}, "answer": {"gzip", "identity"}},
		Writes:    writeTypes, Dialects: a.o.Capabilities.Dialects, Limits: a.o.Capabilities.Limits,
	}
	for t := metricdef.Gauge; t <= metricdef.String; t++ {
		out.Types = append(out.Types, t.String())
	}
	for k := metricdef.KindFloat; k <= metricdef.KindText; k++ {
		out.Kinds = append(out.Kinds, k.String())
	}
	for s := range metricdef.NumStates {
		out.States = append(out.States, s.String())
	}
	for m := policy.NoMethod + 1; m.Valid(); m++ {
		out.Methods = append(out.Methods, m.String())
	}
	for f := edge.Milliseconds; f <= edge.RFC3339; f++ {
		out.Times = append(out.Times, f.String())
	}
	for c := chunk.Constant; c <= chunk.Int64; c++ {
		out.Codecs = append(out.Codecs, c.String())
	}
	return a.send(w, r, http.StatusOK, &out)
}
