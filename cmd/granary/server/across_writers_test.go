package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"

	"granary/compat/nats"
	"granary/measures/ingest/remoteout"
)

// writer is a row of the matrix: a metric as one dialect tells it. NAME, CLUSTER, HOST and ZONE in what is told are the
// cell's own, so that searches find no others.
type writer struct {
	name    string
	told    told
	means   meaning
	subject string // who writes, by the account of usage
	// write writes samples of what is told; those by id are made, and say which they are.
	write func(b *across, w told, x *thing, samples []sample)
}

// continuation writes to a metric that somebody else has made, in the words of its own dialect. says is false where it has none for it.
type continuation struct {
	name    string
	subject string
	doubles []string // the types whose numbers are doubles in it
	strict  bool     // as of a look
	says    func(x *thing) (told, bool)
	write   func(b *across, w told, x *thing, samples []sample)
}

// ofNode is what the rows of collectors tell of themselves.
var ofNode = map[string]string{"cluster": "CLUSTER", "hostname": "HOST"}

// with is a copy of tags with more.
func with(tags map[string]string, more ...string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, tags)
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// writers are the rows.
var writers = []writer{
	{"ClusterCockpit, a node", told{"gauge", "NAME", with(ofNode, "type", "node", "zone", "ZONE"), "W", ""}, clusterCockpitMeans, "", writeClusterCockpit},
	{"ClusterCockpit, a thread", told{"gauge", "NAME", map[string]string{"cluster": "CLUSTER", "host": "HOST", "type": "hwthread", "type-id": "3"}, "", ""}, clusterCockpitMeans, "", writeClusterCockpit},
	{"NATS", told{"gauge", "NAME", with(ofNode, "type", "socket", "type-id", "0", "stype", "core", "stype-id", "1"), "Hz", ""}, clusterCockpitMeans, "s", writeNATS},
	{"native lines", told{"gauge", "NAME", with(ofNode, "zone", "ZONE/b"), "", ""}, taggedMeans("native", "default"), "", writeNativeLines},
	{"native lines, whole numbers", told{"gauge", "NAME", ofNode, "", "int"}, taggedMeans("native", "default"), "", writeNativeLines},
	{"native JSON, gauge", told{"gauge", "NAME", ofNode, "", ""}, taggedMeans("native", "default"), "", writeNative},
	{"native JSON, counter", told{"counter", "NAME", ofNode, "", ""}, taggedMeans("native", "default"), "", writeNative},
	{"native JSON, availability", told{"availability", "NAME", ofNode, "", ""}, taggedMeans("native", "default"), "", writeNative},
	{"native JSON, string", told{"string", "NAME", ofNode, "", ""}, taggedMeans("native", "default"), "", writeNative},
	{"native JSON, no host", told{"gauge", "NAME", map[string]string{"cluster": "CLUSTER"}, "", ""}, taggedMeans("native", "default"), "", writeNative},
	{"native JSON, host is no word", told{"gauge", "NAME", map[string]string{"cluster": "CLUSTER", "host": "HOST"}, "", ""}, taggedMeans("native", "default"), "", writeNative},
	{"native JSON, no tags", told{"gauge", "NAME", map[string]string{}, "", ""}, taggedMeans("native", "default"), "", writeNative},
	{"Hawkular gauges", told{"gauge", "machine/NAME", ofNode, "", ""}, hawkularMeans, "", writeHawkular},
	{"Hawkular counters", told{"counter", "machine/NAME", with(ofNode, "zone", "ZONE"), "", ""}, hawkularMeans, "", writeHawkular},
	{"Hawkular availability", told{"availability", "machine/NAME", ofNode, "", ""}, hawkularMeans, "", writeHawkular},
	{"Hawkular strings", told{"string", "machine/NAME", ofNode, "", ""}, hawkularMeans, "", writeHawkular},
	{"Influx 1", told{"gauge", "NAME", with(ofNode, "zone", "ZONE"), "", ""}, taggedMeans("influx", "default"), "", writeInflux},
	{"Influx 1, a field", told{"gauge", "NAME_used", map[string]string{"cluster": "CLUSTER", "host": "HOST"}, "", ""}, taggedMeans("influx", "default"), "", writeInfluxField},
	{"Influx 2, whole numbers", told{"gauge", "NAME", ofNode, "", "int"}, taggedMeans("influx", "default"), "", writeInfluxV2},
	{"Influx 2, texts", told{"string", "NAME", ofNode, "", ""}, taggedMeans("influx", "default"), "", writeInfluxV2},
	{"Prometheus 1.0", told{"gauge", "NAME", with(ofNode, "job", "node/1"), "", ""}, taggedMeans("prometheus", "prometheus"), "", writeRemoteV1},
	{"Prometheus 2.0", told{"gauge", "NAME", map[string]string{"cluster": "CLUSTER", "instance": "HOST:9100"}, "", ""}, taggedMeans("prometheus", "prometheus"), "", writeRemoteV2},
	{"Gnocchi, a metric", told{"gauge", "NAME", nil, "W", ""}, gnocchiMeans, "admin", writeGnocchiMetric},
	{"Gnocchi, a resource's metric", told{"gauge", "NAME", ofNode, "W", ""}, gnocchiMeans, "admin", writeGnocchiResource},
	{"Gnocchi's Influx route", told{"gauge", "NAME", ofNode, "", ""}, gnocchiMeans, "admin", writeGnocchiInflux},
	{"Gnocchi's Prometheus route", told{"gauge", "NAME", with(ofNode, "instance", "NAME:9100"), "", ""}, gnocchiMeans, "admin", writeGnocchiPrometheus},
}

// continuations are the columns of those who write more.
var continuations = []continuation{
	{"ClusterCockpit", "", []string{"gauge", "counter"}, false, asClusterCockpit, writeClusterCockpit},
	{"NATS", "s", []string{"gauge", "counter"}, false, asClusterCockpit, writeNATS},
	{"native lines", "", nil, false, asLine, writeNativeLines},
	{"native JSON", "", nil, false, asTagged, writeNative},
	{"native by id", "", nil, false, asItself, writeNativeByID},
	{"Hawkular", "", []string{"gauge"}, true, asHawkular, writeHawkularAgain},
	{"Influx 1", "", nil, false, asLine, writeInflux},
	{"Influx 2", "", nil, false, asLine, writeInfluxV2},
	{"Prometheus 1.0", "", []string{"gauge", "counter"}, false, asSeries, writeRemoteV1},
	{"Prometheus 2.0", "", []string{"gauge", "counter"}, false, asSeries, writeRemoteV2},
	{"Gnocchi", "admin", []string{"gauge", "counter"}, false, asNumber, writeGnocchiAgain},
}

// asClusterCockpit: a gauge of a host that nothing else tells from others.
func asClusterCockpit(x *thing) (told, bool) {
	_, _, ok := x.inClusterCockpit()
	for k, v := range x.tags {
		ok = ok && slices.Contains(words, k) && !(k == "type" && v == "node")
	}
	return told{x.typ, x.name, x.tags, "", x.kind}, ok && x.typ == "gauge" && x.tags["cluster"] != "" && x.tags["hostname"] != "" && !x.byID
}

func asLine(x *thing) (told, bool) {
	return told{x.typ, x.name, x.tags, "", x.kind}, !x.byID && (x.typ == "gauge" || x.typ == "string")
}

func asTagged(x *thing) (told, bool) { return told{x.typ, x.name, x.tags, "", x.kind}, !x.byID }

// asSeries: a gauge whose name and tags are names of labels.
func asSeries(x *thing) (told, bool) {
	return told{x.typ, x.name, x.tags, "", x.kind}, x.typ == "gauge" && !x.byID
}

func asItself(x *thing) (told, bool) { return told{typ: x.typ}, true }

func asHawkular(x *thing) (told, bool) { return told{typ: x.typ, name: x.key()}, true }

func asNumber(x *thing) (told, bool) { return told{}, x.numeric() }

// line is a line of a measurement with tags.
func (w told) line(field, value string, time any) string {
	var b strings.Builder
	b.WriteString(w.name)
	for _, k := range slices.Sorted(maps.Keys(w.tags)) {
		fmt.Fprintf(&b, ",%s=%s", k, w.tags[k])
	}
	if w.unit != "" {
		b.WriteString(",unit=" + w.unit)
	}
	fmt.Fprintf(&b, " %s=%s %v\n", field, value, time)
	return b.String()
}

// marked are the samples with whole numbers as line protocol marks them, where a line says of what kind it is.
func (w told) marked(samples []sample) []sample {
	if w.kind != "int" {
		return samples
	}
	list := slices.Clone(samples)
	for i := range list {
		list[i].value += "i"
	}
	return list
}

// lines are those of all samples, with times in seconds.
func (w told) lines(samples []sample) string {
	var b strings.Builder
	for _, s := range samples {
		b.WriteString(w.line("value", s.value, s.at))
	}
	return b.String()
}

func writeClusterCockpit(b *across, w told, x *thing, samples []sample) {
	b.ask("POST", "/api/write", w.lines(samples), 200)
}

func writeNATS(b *across, w told, x *thing, samples []sample) {
	b.t.Helper()
	w.tags = with(w.tags) // a cluster is what the subscription says
	cluster := w.tags["cluster"]
	delete(w.tags, "cluster")
	r, err := natsLines{b.s.lines}.WriteLines(b.t.Context(), nats.Subscription{Subject: "s", ClusterTag: cluster}, []byte(w.lines(samples)))
	if err != nil || r.Stored != len(samples) {
		b.t.Fatalf("%v %+v", err, r)
	}
}

func writeNativeLines(b *across, w told, x *thing, samples []sample) {
	b.ask("POST", "/v2/measures", w.lines(w.marked(samples)), 200, "Content-Type", "text/plain")
}

func writeNative(b *across, w told, x *thing, samples []sample) {
	b.ask("POST", "/v2/measures", fmt.Sprintf(`[{"name":%q,"type":%q,"tags":%s,"samples":%s}]`, w.name, w.typ, jsonOf(b.t, w.tags), pairs(samples)), 200)
}

func writeNativeByID(b *across, w told, x *thing, samples []sample) {
	b.ask("POST", "/v2/measures", fmt.Sprintf(`[{"id":%q,"samples":%s}]`, x.id, pairs(samples)), 200)
}

// pairs are samples as the native API has them.
func pairs(samples []sample) string {
	var list []string
	for _, s := range samples {
		list = append(list, fmt.Sprintf("[%d,%s]", s.at, s.value))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func writeHawkular(b *across, w told, x *thing, samples []sample) {
	writeHawkularAgain(b, w, x, samples)
	b.hawkular("PUT", w.typ, w.name, "/tags", jsonOf(b.t, w.tags), 200)
}

func writeHawkularAgain(b *across, w told, x *thing, samples []sample) {
	var list []string
	for _, s := range samples {
		list = append(list, fmt.Sprintf(`{"timestamp":%d,"value":%s}`, s.at*1000, s.value))
	}
	b.hawkular("POST", w.typ, w.name, "/raw", "["+strings.Join(list, ",")+"]", 200)
}

// measures are samples as Gnocchi has them.
func measuresOf(samples []sample) string {
	var list []string
	for _, s := range samples {
		list = append(list, fmt.Sprintf(`{"timestamp":%d,"value":%s}`, s.at, s.value))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func writeGnocchiMetric(b *across, w told, x *thing, samples []sample) {
	b.t.Helper()
	x.id = b.made("id", b.ask("POST", "/v1/metric", fmt.Sprintf(`{"name":%q,"unit":%q,"archive_policy_name":"medium"}`, w.name, w.unit), 201))
	x.name, x.policy = x.id, "medium"
	writeGnocchiAgain(b, w, x, samples)
}

// writeGnocchiAgain writes measures, which are doubles whatever the metric is of.
func writeGnocchiAgain(b *across, w told, x *thing, samples []sample) {
	b.ask("POST", "/v1/metric/"+x.id+"/measures", measuresOf(samples), 202)
}

func writeGnocchiResource(b *across, w told, x *thing, samples []sample) {
	b.t.Helper()
	metrics := fmt.Sprintf(`{%q:{"unit":%q,"archive_policy_name":"low"}}`, w.name, w.unit)
	if at := "/v1/resource/machine/r-" + w.name; strings.Contains(b.ask("POST", "/v1/search/resource/machine", `{"=":{"id":"r-`+w.name+`"}}`, 200), "revision") {
		b.ask("POST", at+"/metric", metrics, 200) // its metric alone was deleted
	} else {
		body := fmt.Sprintf(`{"id":"r-%s","metrics":%s`, w.name, metrics)
		for k, v := range w.tags {
			body += fmt.Sprintf(`,%q:%q`, k, v)
		}
		b.ask("POST", "/v1/resource/machine", body+"}", 201)
	}
	b.ask("POST", "/v1/batch/resources/metrics/measures", fmt.Sprintf(`{"r-%s":{%q:%s}}`, w.name, w.name, measuresOf(samples)), 202)
	b.linked(x, "machine", "r-"+w.name, w.name, w.tags)
}

func writeGnocchiInflux(b *across, w told, x *thing, samples []sample) {
	b.t.Helper()
	host := w.name // which names the resource, and no two cells share one
	var body strings.Builder
	for _, s := range samples {
		body.WriteString(told{name: w.name, tags: with(w.tags, "host", host)}.line("used", s.value, s.at*1e9))
	}
	b.ask("POST", "/v1/influxdb/write?db=influxdb", body.String(), 204, "Content-Type", "text/plain")
	b.linked(x, "influxdb", host, w.name+".used@"+listed(w.tags), nil)
}

func writeGnocchiPrometheus(b *across, w told, x *thing, samples []sample) {
	b.t.Helper()
	body := remoteBody(remoteout.AppendV1, with(w.tags, "__name__", w.name, "job", "node"), samples)
	b.ask("POST", "/v1/prometheus/write", body, 202, "Accept", "", "Content-Type", "application/x-protobuf", "Content-Encoding", "snappy")
	tags := with(w.tags)
	delete(tags, "instance")
	b.linked(x, "prometheus", "node@"+w.tags["instance"], w.name+"@"+listed(tags), map[string]string{"job": "node", "instance": w.tags["instance"]})
}

// listed are tags as k=v,… in the order of their names.
func listed(tags map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, k+"="+tags[k])
	}
	return strings.Join(list, ",")
}

// linked fills in what a metric of a resource is: the resource is found by its type and name, and the metric by its label.
func (b *across) linked(x *thing, typ, original, label string, attributes map[string]string) {
	b.t.Helper()
	body := b.ask("GET", "/v1/resource/"+typ+"/"+url.PathEscape(original), "", 200)
	x.resource = b.made("id", body)
	var r struct{ Metrics map[string]string }
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.Metrics[label] == "" {
		b.t.Fatalf("%v: %s has no metric %q", err, body, label)
	}
	x.id, x.name, x.label = r.Metrics[label], r.Metrics[label], label
	x.derived = with(attributes, "metric_name", label, "resource_id", x.resource, "resource_type", typ, "original_resource_id", original)
}

func writeInflux(b *across, w told, x *thing, samples []sample) {
	b.ask("POST", "/write?db=telegraf&precision=s", w.lines(w.marked(samples)), 204, "Content-Type", "text/plain")
}

func writeInfluxV2(b *across, w told, x *thing, samples []sample) {
	b.ask("POST", "/api/v2/write?org=hpc&bucket=telegraf&precision=s", w.lines(w.marked(samples)), 204, "Content-Type", "text/plain")
}

// writeInfluxField writes one field of several: the others are metrics of their own.
func writeInfluxField(b *across, w told, x *thing, samples []sample) {
	measurement, field, _ := strings.Cut(w.name, "_")
	var body strings.Builder
	for _, s := range samples {
		body.WriteString(told{name: measurement, tags: w.tags}.line("free=1i,"+field, s.value, s.at))
	}
	b.ask("POST", "/write?db=telegraf&precision=s", body.String(), 204, "Content-Type", "text/plain")
}

func writeRemoteV1(b *across, w told, x *thing, samples []sample) {
	b.ask("POST", "/api/v1/write", remoteBody(remoteout.AppendV1, with(w.tags, "__name__", w.name), samples), 204,
		"Content-Type", "application/x-protobuf", "Content-Encoding", "snappy")
}

func writeRemoteV2(b *across, w told, x *thing, samples []sample) {
	b.ask("POST", "/api/v1/push", remoteBody(remoteout.AppendV2, with(w.tags, "__name__", w.name), samples), 204,
		"Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "Content-Encoding", "snappy")
}

// remoteBody is a request of remote write with one series.
func remoteBody(appendTo func(dst []byte, list []remoteout.Series) []byte, labels map[string]string, samples []sample) string {
	var s remoteout.Series
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		s.Labels = append(s.Labels, k, labels[k])
	}
	for _, p := range samples {
		s.Samples = append(s.Samples, remoteout.Sample{Time: p.at * 1000, Value: number(p.value)})
	}
	return string(snappy.Encode(nil, appendTo(nil, []remoteout.Series{s})))
}

// made is a member of an answer that made something.
func (b *across) made(member, body string) string {
	b.t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		b.t.Fatalf("%v: %s", err, body)
	}
	text, _ := m[member].(string)
	if text == "" {
		b.t.Fatalf("no %s in %s", member, body)
	}
	return text
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
