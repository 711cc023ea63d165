package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/api/edge"
	"granary/cmd/granary/config"
	"granary/compat/clustercockpit"
	"granary/compat/coopr"
	"granary/compat/gnocchi"
	"granary/compat/hawkular/alerts"
	"granary/measures/ingest/line"
	"granary/measures/ingest/mapping"
	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// everything gives each key a value that is not its default, where one file can do that.
const everything = `
main: {addr: "127.0.0.1:0"}
metrics:
  a: {frequency: 7, aggregation: sum}
metric-store:
  retention-in-memory: 5h
  memory-cap: 3
  nats-subscriptions:
    - {subscribe-to: one.>, cluster-tag: alex, tenant: t1}
    - {subscribe-to: two, durable: true, stream: S, consumer: C}
nats: {address: "nats://127.0.0.1:1", username: u, password: p}
granary:
  policies:
    own: {raw: {retention: 6h, clock: newest}, grid: 3s, duplicates: refuse, tiers: [{granularity: 1h}, {granularity: 1m, points: 9}, {points: 5, timespan: 50s}],
      methods: [mean, +max], back-window: 4}
  rules:
    - {name: o, pattern: o*, glob: false, policy: own, dialects: [native]}
  compress: best
  native: {max-request: 3kB}
  trusted-proxies: [10.0.0.0/8]
  cors: {origins: ["https://a.example.org"]}
  log: {access: true}
  disk-free-mark: 1MiB
  audit: {file: log}
  identity: {failures: {allowed: 3, window: 2m, block: 3m}}
  tenants: {default: me, create: explicit, max: 5, create-rate: 61, create-burst: 62}
  journal: {sync: always, interval: 2s}
  snapshot: {interval: 1h, journal-bytes: 1MiB}
  limits: {body: 2kB, line: 1000, text: 100, query-points: 7, query-samples: 71, query-series: 72, answer-padding: 8, series: 9, concurrent-queries: 3, connections: 12, connections-per-address: 13,
    samples-per-second: 10, samples-burst: 11, tag-name: 12, tag-value: 13, tags: 14, past: 15s, future: 16s, queue: 17MiB, queue-length: 18, queue-wait: 19s, weight: 20,
    retention: 21h, memory: 22MiB, series-status: 400, overrides: over.yaml}
  timeouts: {header: 1s, read: 2s, write: none, idle: 4s}
  bounds: {future: 1h, past: 7d}
  usage: {node-tags: [n], cluster-tags: [c], user-tags: [u], template-tags: [t], grace: 23s, keep: 24d}
  queue: {bytes: 2MiB, wait: 3s, workers: 3}
  mapping: {defaults: false, rate-gap: 8s, max-sources: 9, rules: [{name: n, from: [{metric: f, labels: {l: "!v"}, scale: 1/4, rate: true}], dialects: [influx], combine: max, by: [b], rename: {r: s}, tags: {t: w},
    unit: W, slot: 9s, keep: true}]}
  compat:
    clustercockpit: {cluster-tenants: {alex: t2}, max-answer: 4MiB, max-queries: 5, max-query-body: 6kB}
    nats: {batch: 2kB, batch-wait: 1s, pending-messages: 11, pending: 65537}
    coopr: {usage-access: source, queue-cache: 3s}
    influx: {databases: {telegraf: t5}, strings: refuse, booleans: ignore, tenants: {t6: {strings: ignore, booleans: number}}, bounds: {past: 3h, future: 4h}, max-request: 7kB}
    hawkular: {strict: true, default-start: 25m, retention: 26h, cors-origins: ["https://h.example.org"], show: own, max-request: 5kB,
      alerts: {interval: 7s, window: 2m, at-start: firing, server: "http://u:p@127.0.0.1:1/x", method: PUT, insecure: true, timeout: 3s, retries: 4, queue: 5,
        rules: [{id: a, tenant: t9, metrics: [m], tags: "n:x.*", type: counter, alert-if-lower-than: 1.5, alert-if-higher-than: 9, missing-when: never, annotations: {k: v}}, {id: b, metrics: [m], alert-if-lower-than: 1}]}}
    prometheus: {bounds: {future: 25m, past: 26h}, max-samples: 27, max-labels: 28}
  admin: {listen: "localhost:0"}
`

// TestEverySettingHasItsEffect walks the keys of docs/config.md. Each is looked up where the value has to arrive, or names the
// test that shows its effect.
func TestEverySettingHasItsEffect(t *testing.T) {
	s := unserved(t, configured(t, everything, "over.yaml", `"*": {memory: 1MiB}`))
	inForce := storeOptions(s.cfg, s.o).Limits
	set, _ := s.cfg.Policies()
	store, served, messages, dialect := storeOptions(s.cfg, s.o), serverOptions(s.cfg, s.o), s.natsOptions(), s.clusterCockpit()
	own := s.native()
	ours, _ := set.ByName("own")
	chosen := func(dialect, metric string) string { p, _ := set.Resolve(dialect, metric); return p.Name }
	kept := func(dialect, metric string) policy.Retention { p, _ := set.Resolve(dialect, metric); return p.Raw }
	watched, err := s.alertOptions()
	if err != nil {
		t.Fatal(err)
	}
	alerting := watched.Rules[0]
	mapped := s.rules.cfg.Table()[0]
	values := map[string][2]any{
		"main.addr":                                                   {strings.HasPrefix(s.Addr(), "127.0.0.1:"), true},
		"metrics.NAME.frequency":                                      {resolve(set, "a").Grid, 7 * time.Second},
		"metrics.NAME.aggregation":                                    {resolve(set, "a").Across, policy.Sum},
		"metric-store.retention-in-memory":                            {resolve(set, "a").Raw, policy.Retention{Length: 5 * time.Hour}},
		"metric-store.memory-cap":                                     {store.MemoryCap, int64(3e9)},
		"metric-store.nats-subscriptions[].subscribe-to":              {messages.Subscriptions[0].Subject, "one.>"},
		"metric-store.nats-subscriptions[].cluster-tag":               {messages.Subscriptions[0].ClusterTag, "alex"},
		"metric-store.nats-subscriptions[].tenant":                    {messages.Subscriptions[0].Tenant, "t1"},
		"metric-store.nats-subscriptions[].durable":                   {messages.Subscriptions[1].Durable, true},
		"metric-store.nats-subscriptions[].stream":                    {messages.Subscriptions[1].Stream, "S"},
		"metric-store.nats-subscriptions[].consumer":                  {messages.Subscriptions[1].Consumer, "C"},
		"nats.address":                                                {messages.Address, "nats://127.0.0.1:1"},
		"nats.username":                                               {messages.Username, "u"},
		"nats.password":                                               {messages.Password, "p"},
		"nats.creds-file-path":                                        {natsOf(t, "nats: {creds-file-path: /f}").natsOptions().CredsFile, "/f"},
		"granary.listen":                                              {configured(t, "main: {addr: \":1\"}\ngranary: {listen: \":2\"}").Listen, ":2"},
		"granary.data":                                                {storeOptions(configured(t, "granary: {data: /d}"), Options{}).Dir, "/d"},
		"granary.memory-cap":                                          {storeOptions(configured(t, "metric-store: {memory-cap: 3}\ngranary: {memory-cap: 4096}"), Options{}).MemoryCap, int64(4096)},
		"granary.compress":                                            {dialect.Compress, edge.CompressBest},
		"granary.disk-free-mark":                                      {store.DiskFreeMark, int64(1 << 20)},
		"granary.identity.failures.allowed":                           {throttleOptions(s.cfg).Allowed, 3},
		"granary.identity.failures.window":                            {throttleOptions(s.cfg).Window, 2 * time.Minute},
		"granary.identity.failures.block":                             {throttleOptions(s.cfg).Block, 3 * time.Minute},
		"granary.tls.client-ca":                                       {configured(t, "granary: {tls: {client-ca: f}}").TLS.ClientCA, "f"},
		"granary.limits.connections":                                  {connectionOptions(s.cfg).Max, 12},
		"granary.limits.connections-per-address":                      {connectionOptions(s.cfg).PerAddress, 13},
		"granary.audit.file":                                          {auditOptions(s.cfg, s.o).File, ""},
		"granary.policies.NAME.raw.retention":                         {ours.Raw.Length, 6 * time.Hour},
		"granary.policies.NAME.raw.clock":                             {ours.Raw.Clock, policy.NewestClock},
		"granary.policies.NAME.grid":                                  {ours.Grid, 3 * time.Second},
		"granary.policies.NAME.duplicates":                            {ours.Duplicates, policy.RefuseDifferent},
		"granary.policies.NAME.tiers[].granularity":                   {ours.Tiers[0], policy.Tier{Granularity: 10 * time.Second, Points: 5}},
		"granary.policies.NAME.tiers[].points":                        {ours.Tiers[1], policy.Tier{Granularity: time.Minute, Points: 9}},
		"granary.policies.NAME.tiers[].timespan":                      {ours.Tiers[2], policy.Tier{Granularity: time.Hour}},
		"granary.policies.NAME.methods":                               {ours.Methods, []policy.Method{policy.Mean, policy.Max}},
		"granary.policies.NAME.back-window":                           {ours.BackWindow, 4},
		"granary.rules[].name":                                        {set.Rules()[len(set.Rules())-2].Name, "o"},
		"granary.rules[].pattern":                                     {chosen("native", "o*"), "own"},
		"granary.rules[].glob":                                        {chosen("native", "ox"), "default"},
		"granary.rules[].policy":                                      {chosen("native", "o*"), "own"},
		"granary.rules[].dialects":                                    {chosen("influx", "o*"), "default"},
		"granary.tenants.default":                                     {[]tenant.ID{dialect.Default, s.lines.fallback, own.Select.Default}, []tenant.ID{"me", "me", "me"}},
		"granary.tenants.create":                                      {store.ExplicitTenants, true},
		"granary.tenants.max":                                         {store.MaxTenants, 5},
		"granary.tenants.create-rate":                                 {store.CreateRate, int64(61)},
		"granary.tenants.create-burst":                                {store.CreateBurst, int64(62)},
		"granary.journal.sync":                                        {store.Sync, journal.Always},
		"granary.journal.interval":                                    {store.SyncInterval, 2 * time.Second},
		"granary.snapshot.interval":                                   {store.SnapshotEvery, time.Hour},
		"granary.snapshot.journal-bytes":                              {store.SnapshotJournal, int64(1 << 20)},
		"granary.limits.body":                                         {tooLarge(dialect.Lines), "request body exceeds the limit of 2000 bytes (setting granary.limits.body)"},
		"granary.limits.line":                                         {ingestOptions(s.cfg, s.o).MaxLine, 1000},
		"granary.limits.text":                                         {store.MaxText, 100},
		"granary.limits.query-points":                                 {[]int64{queryOptions(s.cfg).MaxPoints, dialect.Points}, []int64{7, 7}},
		"granary.limits.query-samples":                                {queryOptions(s.cfg).MaxSamples, int64(71)},
		"granary.limits.query-series":                                 {queryOptions(s.cfg).MaxSeries, int64(72)},
		"granary.limits.answer-padding":                               {dialect.Padding, 8},
		"granary.limits.series":                                       {inForce.Series, int64(9)},
		"granary.limits.samples-per-second":                           {inForce.SamplesPerSecond, int64(10)},
		"granary.limits.samples-burst":                                {inForce.SamplesBurst, int64(11)},
		"granary.limits.tag-name":                                     {inForce.TagName, int64(12)},
		"granary.limits.tag-value":                                    {inForce.TagValue, int64(13)},
		"granary.limits.tags":                                         {inForce.Tags, int64(14)},
		"granary.limits.past":                                         {inForce.Past, 15 * time.Second},
		"granary.limits.future":                                       {inForce.Future, 16 * time.Second},
		"granary.limits.queue":                                        {inForce.Queue, int64(17 << 20)},
		"granary.limits.queue-length":                                 {inForce.QueueLength, int64(18)},
		"granary.limits.queue-wait":                                   {inForce.QueueWait, 19 * time.Second},
		"granary.limits.weight":                                       {inForce.Weight, int64(20)},
		"granary.limits.retention":                                    {inForce.Retention, 21 * time.Hour},
		"granary.limits.memory":                                       {inForce.Memory, int64(22 << 20)},
		"granary.limits.overrides":                                    {s.store.Tenants.Limits(0).Memory, int64(1 << 20)},
		"granary.limits.concurrent-queries":                           {s.queries.Max(), int64(3)},
		"granary.usage.node-tags":                                     {store.Usage.Tags.Node, []string{"n"}},
		"granary.usage.cluster-tags":                                  {store.Usage.Tags.Cluster, []string{"c"}},
		"granary.usage.user-tags":                                     {store.Usage.Tags.User, []string{"u"}},
		"granary.usage.template-tags":                                 {store.Usage.Tags.Template, []string{"t"}},
		"granary.usage.grace":                                         {store.Usage.Grace, 23 * time.Second},
		"granary.usage.keep":                                          {store.Usage.Keep, 24 * 24 * time.Hour},
		"granary.timeouts.header":                                     {s.http.ReadHeaderTimeout, time.Second},
		"granary.timeouts.read":                                       {s.http.ReadTimeout, 2 * time.Second},
		"granary.timeouts.write":                                      {[]time.Duration{s.http.WriteTimeout, served.Write}, []time.Duration{0, config.Unbounded}},
		"granary.timeouts.idle":                                       {s.http.IdleTimeout, 4 * time.Second},
		"granary.bounds.future":                                       {bounds(s.cfg.Bounds, set, policy.ClusterCockpitDefaultName).Future, time.Hour},
		"granary.bounds.past":                                         {bounds(s.cfg.Bounds, set, policy.ClusterCockpitDefaultName).Past, 7 * 24 * time.Hour},
		"granary.compat.clustercockpit.enabled":                       {apiWithout(t), http.StatusNotFound},
		"granary.compat.clustercockpit.cluster-tenants":               {[]tenant.ID{dialect.Clusters["alex"], s.lines.clusters["alex"]}, []tenant.ID{"t2", "t2"}},
		"granary.queue.bytes":                                         {s.writes.Max(), int64(2 << 20)},
		"granary.queue.wait":                                          {waits(unserved(t, configured(t, "granary: {queue: {wait: 3s}}"))), []time.Duration{3 * time.Second, 3 * time.Second}},
		"granary.queue.workers":                                       {s.turns.Workers(), 3},
		"granary.compat.clustercockpit.queue":                         {configured(t, "granary: {compat: {clustercockpit: {queue: 5MiB}}}").Queue.Bytes, int64(5 << 20)},
		"granary.compat.clustercockpit.queue-wait":                    {configured(t, "granary: {compat: {clustercockpit: {queue-wait: 5s}}}").Queue.Wait, 5 * time.Second},
		"granary.compat.clustercockpit.max-answer":                    {dialect.Answer, int64(4 << 20)},
		"granary.compat.clustercockpit.max-queries":                   {dialect.Queries, 5},
		"granary.compat.clustercockpit.max-query-body":                {tooLarge(dialect.Requests), "request body exceeds the limit of 6000 bytes (setting granary.compat.clustercockpit.max-query-body)"},
		"granary.compat.nats.enabled":                                 {natsOf(t, "granary: {compat: {nats: {enabled: false}}}").nats == nil, true},
		"granary.compat.nats.batch":                                   {messages.BatchBytes, 2000},
		"granary.compat.nats.batch-wait":                              {messages.BatchWait, time.Second},
		"granary.compat.nats.pending-messages":                        {messages.PendingMessages, 11},
		"granary.compat.nats.pending":                                 {messages.PendingBytes, 65537},
		"granary.compat.coopr.enabled":                                {ask(unserved(t, configured(t, "granary: {compat: {coopr: {enabled: false}}}")), here, http.MethodGet, "/status", "").Code, http.StatusNotFound},
		"granary.compat.coopr.usage-access":                           {s.coopr().Usage, coopr.AccessSource},
		"granary.compat.coopr.queue-cache":                            {s.coopr().Cached, 3 * time.Second},
		"granary.compat.gnocchi.enabled":                              {ask(unserved(t, configured(t, "granary: {compat: {gnocchi: {enabled: false}}}")), here, http.MethodGet, "/v1/", "").Code, http.StatusNotFound},
		"granary.compat.gnocchi.auth":                                 {configuredGnocchi(t, "auth: headers").Mode, gnocchi.ModeHeaders},
		"granary.compat.gnocchi.rules":                                {configuredGnocchi(t, "rules: {get status: [everybody]}").Rules.Who("get status"), []string{"everybody"}},
		"granary.compat.gnocchi.max-limit":                            {configuredGnocchi(t, "max-limit: 7").MaxLimit, 7},
		"granary.compat.gnocchi.max-request":                          {tooLarge(configuredGnocchi(t, "max-request: 2kB").Requests), "request body exceeds the limit of 2000 bytes (setting granary.compat.gnocchi.max-request)"},
		"granary.compat.gnocchi.cors-origins":                         {configuredGnocchi(t, "cors-origins: ['https://a.example.org']").Origins, []string{"https://a.example.org"}},
		"granary.compat.gnocchi.proxy-headers":                        {configuredGnocchi(t, "proxy-headers: true").ProxyHeaders, true},
		"granary.compat.gnocchi.default-aggregation-methods":          {configuredGnocchi(t, "default-aggregation-methods: [last, +95pct]").Methods, []policy.Method{policy.Last, policy.Percentile(95)}},
		"granary.compat.gnocchi.default-policies":                     {[]bool{running(t, configured(t, "granary: {compat: {gnocchi: {default-policies: false}}}")).store.Policies.Seeded(), running(t, configured(t, "{}")).store.Policies.Seeded()}, []bool{false, true}},
		"granary.compat.influx.enabled":                               {ask(unserved(t, configured(t, "granary: {compat: {influx: {enabled: false}}}")), here, http.MethodGet, "/ping", "").Code, http.StatusNotFound},
		"granary.compat.influx.databases":                             {s.influx().Databases, map[string]tenant.ID{"telegraf": "t5"}},
		"granary.compat.influx.strings":                               {s.influx().Fields.Strings, line.Refuse},
		"granary.compat.influx.booleans":                              {s.influx().Fields.Booleans, line.Pass},
		"granary.compat.influx.tenants.NAME.strings":                  {s.influx().TenantFields["t6"].Strings, line.Pass},
		"granary.compat.influx.tenants.NAME.booleans":                 {s.influx().TenantFields["t6"].Booleans, line.Take},
		"granary.compat.influx.bounds.past":                           {s.influxBounds("me").Past, 3 * time.Hour},
		"granary.compat.influx.bounds.future":                         {s.influxBounds("me").Future, 4 * time.Hour},
		"granary.compat.influx.max-request":                           {tooLarge(s.influx().Requests), "request body exceeds the limit of 7000 bytes (setting granary.compat.influx.max-request)"},
		"granary.compat.hawkular.enabled":                             {ask(unserved(t, configured(t, "granary: {compat: {hawkular: {enabled: false}}}")), here, http.MethodGet, "/hawkular/metrics/status", "").Code, http.StatusNotFound},
		"granary.compat.hawkular.strict":                              {s.hawkular().Strict, true},
		"granary.compat.hawkular.retention":                           {kept("hawkular", "any"), policy.Retention{Length: 26 * time.Hour, Clock: policy.WriteClock}},
		"granary.compat.hawkular.cors-origins":                        {s.hawkular().Origins, []string{"https://h.example.org"}},
		"granary.compat.hawkular.show":                                {s.hawkular().Own, true},
		"granary.compat.hawkular.max-request":                         {tooLarge(s.hawkular().Requests), "request body exceeds the limit of 5000 bytes (setting granary.compat.hawkular.max-request)"},
		"granary.compat.hawkular.default-start":                       {s.hawkular().DefaultStart, 25 * time.Minute},
		"granary.compat.hawkular.alerts.interval":                     {watched.Interval, 7 * time.Second},
		"granary.compat.hawkular.alerts.window":                       {watched.Window, 2 * time.Minute},
		"granary.compat.hawkular.alerts.at-start":                     {watched.AtStart, alerts.AtStartFiring},
		"granary.compat.hawkular.alerts.server":                       {watched.Hook.Server, "http://u:p@127.0.0.1:1/x"},
		"granary.compat.hawkular.alerts.method":                       {watched.Hook.Method, http.MethodPut},
		"granary.compat.hawkular.alerts.insecure":                     {watched.Hook.Insecure, true},
		"granary.compat.hawkular.alerts.timeout":                      {watched.Hook.Timeout, 3 * time.Second},
		"granary.compat.hawkular.alerts.retries":                      {watched.Hook.Retries, 4},
		"granary.compat.hawkular.alerts.queue":                        {watched.Hook.Queue, 5},
		"granary.compat.hawkular.alerts.rules[].id":                   {alerting.ID, "a"},
		"granary.compat.hawkular.alerts.rules[].tenant":               {[]tenant.ID{alerting.Tenant, watched.Rules[1].Tenant}, []tenant.ID{"t9", "me"}},
		"granary.compat.hawkular.alerts.rules[].metrics":              {alerting.Metrics, []string{"m"}},
		"granary.compat.hawkular.alerts.rules[].tags":                 {alerting.Tags == "n:x.*" && alerting.Selector != nil, true},
		"granary.compat.hawkular.alerts.rules[].type":                 {alerting.Type, metricdef.Counter},
		"granary.compat.hawkular.alerts.rules[].alert-if-lower-than":  {*alerting.Lower, 1.5},
		"granary.compat.hawkular.alerts.rules[].alert-if-higher-than": {*alerting.Higher, 9.0},
		"granary.compat.hawkular.alerts.rules[].missing-when":         {alerting.Missing, alerts.MissingNever},
		"granary.compat.hawkular.alerts.rules[].annotations":          {alerting.Annotations, map[string]string{"k": "v"}},
		"granary.compat.prometheus.enabled":                           {ask(unserved(t, configured(t, "granary: {compat: {prometheus: {enabled: false}}}")), here, http.MethodPost, "/receive", "").Code, http.StatusNotFound},
		"granary.compat.prometheus.bounds.future":                     {s.prometheus().Bounds().Future, 25 * time.Minute},
		"granary.compat.prometheus.bounds.past":                       {s.prometheus().Bounds().Past, 26 * time.Hour},
		"granary.compat.prometheus.max-samples":                       {s.prometheus().MaxSamples, 27},
		"granary.compat.prometheus.max-labels":                        {s.prometheus().MaxLabels, 28},
		"granary.mapping.defaults":                                    {len(s.rules.cfg.Table()), 1},
		"granary.mapping.rate-gap":                                    {s.rules.cfg.RateGap, 8 * time.Second},
		"granary.mapping.max-sources":                                 {s.rules.cfg.MaxSources, int64(9)},
		"granary.mapping.rules[].name":                                {mapped.Name, "n"},
		"granary.mapping.rules[].from[].metric":                       {mapped.From[0].Metric, "f"},
		"granary.mapping.rules[].from[].labels":                       {mapped.From[0].Labels, map[string]string{"l": "!v"}},
		"granary.mapping.rules[].from[].scale":                        {mapped.From[0].Scale, 0.25},
		"granary.mapping.rules[].from[].rate":                         {mapped.From[0].Rate, true},
		"granary.mapping.rules[].dialects":                            {mapped.Dialects, []string{"influx"}},
		"granary.mapping.rules[].combine":                             {mapped.Combine, mapping.Max},
		"granary.mapping.rules[].by":                                  {mapped.By, []string{"b"}},
		"granary.mapping.rules[].rename":                              {mapped.Rename, map[string]string{"r": "s"}},
		"granary.mapping.rules[].tags":                                {mapped.Tags, map[string]string{"t": "w"}},
		"granary.mapping.rules[].unit":                                {mapped.Unit, "W"},
		"granary.mapping.rules[].slot":                                {mapped.Slot, 9 * time.Second},
		"granary.mapping.rules[].keep":                                {mapped.Keep, true},
		"granary.native.enabled":                                      {v2Without(t), http.StatusNotFound},
		"granary.native.max-request":                                  {tooLarge(own.Requests), "request body exceeds the limit of 3000 bytes (setting granary.native.max-request)"},
		"granary.trusted-proxies":                                     {fmt.Sprint(own.Select.Trusted), "[10.0.0.0/8]"},
		"granary.swagger.enabled":                                     {ask(unserved(t, configured(t, "granary: {swagger: {enabled: false}}")), here, http.MethodGet, "/swagger/index.html", "").Code, http.StatusNotFound},
		"granary.cors.origins":                                        {own.CORS.Origins, []string{"https://a.example.org"}},
		"granary.log.access":                                          {dispatchOptions(s.cfg, s.o, s.watch).Access, slog.LevelInfo},
		"granary.admin.listen":                                        {s.admin != nil && s.pprof != nil, true},
	}
	here := []string{"server_test.go", "pressure_test.go"}
	tests := map[string]string{ // the test, and the file if it is none of these
		"main.https-cert-file":                           "TestCertificateReload tls_test.go",
		"main.https-key-file":                            "TestCertificateReload tls_test.go",
		"main.user":                                      "TestRights",
		"main.group":                                     "TestRights",
		"main.backend-url":                               "TestBackend",
		"granary.backend.token":                          "TestBackend",
		"granary.backend.token-file":                     "TestBackend",
		"main.jwt-public-key":                            "TestWhoMaySeeWhat",
		"granary.auth":                                   "TestWhoMaySeeWhat",
		"granary.identity.jwt[].issuer":                  "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].audience":                "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].jwks-file":               "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].keys[].kid":              "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].keys[].file":             "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].algorithms":              "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].leeway":                  "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].claims.subject":          "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].claims.roles":            "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].claims.tenants":          "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].roles":                   "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].default-roles":           "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].default-tenants":         "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].allow.operator":          "TestIdentitySources identity_test.go",
		"granary.identity.jwt[].allow.tenants":           "TestIdentitySources identity_test.go",
		"granary.tls.client-auth":                        "TestClientCertificates tls_test.go",
		"granary.tls.min-version":                        "TestCertificateReload tls_test.go",
		"granary.identity.keys.enabled":                  "TestKeysLock identity_test.go",
		"granary.identity.tokens[].name":                 "TestIdentitySources identity_test.go",
		"granary.identity.tokens[].token":                "TestIdentitySources identity_test.go",
		"granary.identity.tokens[].token-file":           "TestIdentitySources identity_test.go",
		"granary.identity.tokens[].sha256":               "TestIdentitySources identity_test.go",
		"granary.identity.tokens[].roles":                "TestIdentitySources identity_test.go",
		"granary.identity.tokens[].tenants":              "TestIdentitySources identity_test.go",
		"granary.compat.hawkular.alerts.ca":              "TestAlertsOverTLS alerts_test.go",
		"granary.compat.gnocchi.check-passwords":         "TestGnocchiPasswords gnocchi_test.go",
		"granary.compat.gnocchi.keystone.url":            "TestGnocchiKeystone gnocchi_test.go",
		"granary.compat.gnocchi.keystone.user":           "TestGnocchiKeystone gnocchi_test.go",
		"granary.compat.gnocchi.keystone.user-domain":    "TestGnocchiKeystone gnocchi_test.go",
		"granary.compat.gnocchi.keystone.password":       "TestGnocchiKeystone gnocchi_test.go",
		"granary.compat.gnocchi.keystone.password-file":  "TestGnocchiKeystone gnocchi_test.go",
		"granary.compat.gnocchi.keystone.project":        "TestGnocchiKeystone gnocchi_test.go",
		"granary.compat.gnocchi.keystone.project-domain": "TestGnocchiKeystone gnocchi_test.go",
		"granary.compat.gnocchi.keystone.ca-file":        "TestGnocchiKeystone gnocchi_test.go",
		"granary.compat.gnocchi.keystone.cache":          "TestGnocchiKeystone gnocchi_test.go",
		"granary.compat.gnocchi.keystone.timeout":        "TestGnocchiKeystone gnocchi_test.go",
		"granary.compat.hawkular.admin-token.token":      "TestHawkularTenants hawkular_test.go",
		"granary.compat.hawkular.admin-token.token-file": "TestHawkularAdminToken hawkular_test.go",
		"granary.compat.hawkular.admin-token.sha256":     "TestHawkularAdminToken hawkular_test.go",
		"granary.identity.basic.file":                    "TestIdentitySources identity_test.go",
		"granary.identity.basic.users.NAME.roles":        "TestIdentitySources identity_test.go",
		"granary.identity.basic.users.NAME.tenants":      "TestIdentitySources identity_test.go",
		"granary.identity.proxy.subject":                 "TestIdentitySources identity_test.go",
		"granary.identity.proxy.roles":                   "TestIdentitySources identity_test.go",
		"granary.identity.proxy.tenants":                 "TestIdentitySources identity_test.go",
		"granary.identity.proxy.role-names":              "TestIdentitySources identity_test.go",
		"granary.identity.proxy.default-roles":           "TestIdentitySources identity_test.go",
		"granary.identity.proxy.default-tenants":         "TestIdentitySources identity_test.go",
		"granary.identity.proxy.allow.operator":          "TestIdentitySources identity_test.go",
		"granary.identity.proxy.allow.tenants":           "TestIdentitySources identity_test.go",
		"granary.identity.certificates[].subject":        "TestClientCertificates tls_test.go",
		"granary.identity.certificates[].roles":          "TestClientCertificates tls_test.go",
		"granary.identity.certificates[].tenants":        "TestClientCertificates tls_test.go",
		"metric-store.cleanup.mode":                      "TestGranarySection ../config/load_test.go",
		"granary.limits.series-status":                   "TestTenantLimits ../config/limits_test.go",
		"granary.archive":                                "TestGranarySection ../config/load_test.go",
		"granary.log.level":                              "TestLogger ../serve_test.go",
		"granary.log.format":                             "TestLogger ../serve_test.go",
		"metric-store.checkpoints.directory":             "TestPeerFiles ../config/load_test.go",
	}
	keys, without := documented(t)
	for _, key := range keys {
		v, arrives := values[key]
		test, tested := tests[key]
		switch {
		case slices.Contains(without, key):
			if arrives || tested {
				t.Errorf("%s is documented as without effect", key)
			}
		case arrives == tested:
			t.Errorf("%s has no effect that a test shows, or two", key)
		case tested:
			name, file, elsewhere := strings.Cut(test, " ")
			files := here
			if elsewhere {
				files = []string{file}
			}
			if !slices.ContainsFunc(files, func(file string) bool {
				b, err := os.ReadFile(file)
				return err == nil && bytes.Contains(b, []byte("\nfunc "+name+"(t *testing.T)"))
			}) {
				t.Errorf("%s: there is no %s", key, test)
			}
		default:
			if d := cmp.Diff(v[1], v[0]); d != "" {
				t.Errorf("%s:\n%s", key, d)
			}
		}
		delete(values, key)
		delete(tests, key)
	}
	for key := range values {
		t.Errorf("%s is not documented", key)
	}
	for key := range tests {
		t.Errorf("%s is not documented", key)
	}
}

// waits are how long writes and queries wait.
func waits(s *Server) []time.Duration {
	return []time.Duration{s.writes.Stats("me").Share.Wait, s.queries.Stats("me").Share.Wait}
}

// documented are the keys of docs/config.md, and those of them that have no effect.
func documented(t *testing.T) (keys, without []string) {
	t.Helper()
	b, err := os.ReadFile("../../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.SplitSeq(string(b), "\n") {
		cells := strings.Split(row, "|")
		if !strings.HasPrefix(row, "| `") || len(cells) < 5 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			keys = append(keys, m[1])
			if strings.TrimSpace(cells[3]) == "without effect" {
				without = append(without, m[1])
			}
		}
	}
	if len(keys) < 60 {
		t.Fatalf("only %d keys are documented", len(keys))
	}
	return keys, without
}

func resolve(set *policy.Set, metric string) policy.Policy {
	p, _ := set.Resolve(clustercockpit.Name, metric)
	return p
}

// natsOf is a server with a subscription to nobody.
func natsOf(t *testing.T, yaml string) *Server {
	t.Helper()
	cfg := configured(t, yaml)
	cfg.NATS.Address = "nats://127.0.0.1:1"
	cfg.NATS.Subscriptions = []config.Subscription{{Subject: "s"}}
	if cfg.NATS.CredsFile != "" {
		return &Server{cfg: cfg} // it is not there
	}
	return unserved(t, cfg)
}

func apiWithout(t *testing.T) int {
	t.Helper()
	return ask(unserved(t, configured(t, "granary: {compat: {clustercockpit: {enabled: false}}}")), here, http.MethodGet, "/api/query", "").Code
}

func v2Without(t *testing.T) int {
	t.Helper()
	return ask(unserved(t, configured(t, "granary: {native: {enabled: false}}")), here, http.MethodGet, "/v2/status", "").Code
}

func tooLarge(b *edge.Bodies) string {
	body, err := b.Read(httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 1<<20))))
	if err != nil {
		return err.Error()
	}
	body.Free()
	return ""
}

// TestZeroes: a 0 in the configuration means what the documentation says, also where it is the default of a part.
func TestZeroes(t *testing.T) {
	cfg := configured(t, "granary: {limits: {answer-padding: 0, concurrent-queries: 0}, queue: {wait: 0s}, compat: {nats: {batch-wait: 0s}}}")
	s := unserved(t, cfg)
	if p := s.clusterCockpit().Padding; p >= 0 {
		t.Errorf("padding %d", p)
	}
	if n := s.queries.Max(); n < 4 || n%4 != 0 {
		t.Errorf("%d queries", n)
	}
	if w := s.writes.Stats("_ops").Share.Wait; w != 0 {
		t.Errorf("writes wait for %v", w)
	}
	if w := s.natsOptions().BatchWait; w != 1 {
		t.Errorf("NATS waits for %v", w)
	}
}

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		config string
		want   line.Bounds
	}{
		{"{}", line.Bounds{Past: config.DefaultRetention, Future: 10 * time.Minute}},
		{"metric-store: {retention-in-memory: 0s}", line.Bounds{Future: 10 * time.Minute}},
		{"metric-store: {retention-in-memory: 3h}\ngranary: {bounds: {future: none}}", line.Bounds{Past: 3 * time.Hour}},
		{"granary: {bounds: {future: 0s, past: none}}", line.Bounds{Future: 1}},
		{"metric-store: {retention-in-memory: 3h}\ngranary: {bounds: {future: 1s, past: 4h}}", line.Bounds{Past: 4 * time.Hour, Future: time.Second}},
	} {
		cfg := configured(t, c.config)
		set, _ := cfg.Policies()
		if got := bounds(cfg.Bounds, set, policy.ClusterCockpitDefaultName); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.config, got, c.want)
		}
	}
}

// TestRetentionReloaded: the age of samples follows the retention in force.
func TestRetentionReloaded(t *testing.T) {
	s := running(t, configured(t, "metric-store: {retention-in-memory: 1h}"))
	write := func() string {
		old := time.Now().Add(-2 * time.Hour).Unix()
		w := ask(s, here, http.MethodPost, "/api/write", "m,cluster=c,hostname=h value=1 "+strconv.FormatInt(old, 10))
		return w.Header().Get("X-Granary-Ignored")
	}
	if got := write(); got != "too-old=1" {
		t.Errorf("ignored: %q", got)
	}
	set, _ := configured(t, "metric-store: {retention-in-memory: 5h}").Policies()
	if err := s.store.SetPolicies(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	s.writer.Drop()
	if got := write(); got != "" {
		t.Errorf("ignored: %q", got)
	}
}

// configuredGnocchi is what the dialect gets of a section granary.compat.gnocchi.
func configuredGnocchi(t *testing.T, section string) gnocchi.Options {
	t.Helper()
	return unserved(t, configured(t, "granary: {compat: {gnocchi: {"+section+"}}}")).gnocchi()
}
