package server

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"granary/metricdef"
)

// told is a metric in the words of who writes it.
type told struct {
	typ  string // of metric
	name string
	tags map[string]string
	unit string
	kind string // of its values; "": that of the type
}

// thing is a metric as section 1 of the semantics has it, whoever wrote it: what makes it one, what is known of it besides, and what has been
// written.
type thing struct {
	id   string // its UUID
	typ  string
	kind string
	name string
	tags map[string]string // what it is by

	plain   map[string]string
	unit    string
	policy  string
	dialect string

	// What one by id has.
	byID     bool
	label    string
	resource string            // "": it belongs to none
	derived  map[string]string // tags that its label and its resource give it

	samples []sample
}

// sample is a time in seconds and a value as JSON has it, and who wrote it.
type sample struct {
	at    int64
	value string
	by    string
}

// meaning is how section 1 makes an identity of what is told. Its dialects are those that share its row.
type meaning func(told) thing

// words are the tags that ClusterCockpit's identity is made of.
var words = []string{"cluster", "hostname", "type", "type-id", "stype", "stype-id"}

// clusterCockpitMeans: name and cluster, hostname, type, type-id, stype, stype-id only; type=node is no type, host is hostname, other tags
// are plain.
func clusterCockpitMeans(w told) thing {
	x := thing{typ: "gauge", kind: "float", name: w.name, tags: map[string]string{}, plain: map[string]string{}, policy: "cc-default", dialect: "clustercockpit"}
	for k, v := range w.tags {
		switch {
		case k == "host":
			x.tags["hostname"] = v
		case k == "type" && v == "node":
		case slices.Contains(words, k):
			x.tags[k] = v
		default:
			x.plain[k] = v
		}
	}
	if w.unit != "" { // which is a tag there
		x.plain["unit"], x.unit = w.unit, w.unit
	}
	return x
}

// taggedMeans: name and all tags.
func taggedMeans(dialect, policy string) meaning {
	return func(w told) thing {
		return thing{typ: w.typ, kind: w.values(), name: w.name, tags: maps.Clone(w.tags), plain: map[string]string{}, policy: policy, dialect: dialect}
	}
}

// hawkularMeans: an id that is the key of no metric of that type is a name without tags; all tags are plain.
func hawkularMeans(w told) thing {
	return thing{typ: w.typ, kind: w.values(), name: w.name, plain: maps.Clone(w.tags), unit: w.unit, policy: "hawkular", dialect: "hawkular"}
}

// gnocchiMeans: the UUID, which whoever writes puts in; the name is a label.
func gnocchiMeans(w told) thing {
	return thing{typ: "gauge", kind: "float", plain: map[string]string{}, unit: w.unit, policy: "low", dialect: "gnocchi", byID: true, label: w.name,
		derived: map[string]string{"metric_name": w.name}}
}

// values are the kind of its values.
func (w told) values() string {
	return cmp.Or(w.kind, map[string]string{"gauge": "float", "counter": "int", "availability": "state", "string": "text"}[w.typ])
}

// key is the key text, by which Hawkular knows it.
func (x *thing) key() string {
	return string(metricdef.AppendKey(nil, x.name, x.identity()))
}

// identity are the tags that it is by, sorted.
func (x *thing) identity() (list []metricdef.Tag) {
	for _, k := range slices.Sorted(maps.Keys(x.tags)) {
		list = append(list, metricdef.Tag{Name: k, Value: x.tags[k]})
	}
	return list
}

// own are all tags that belong to it.
func (x *thing) own() map[string]string {
	all := maps.Clone(x.plain)
	maps.Copy(all, x.tags)
	return all
}

// searched are all tags that find it. One of its own hides what its resource says.
func (x *thing) searched() map[string]string {
	all := map[string]string{}
	maps.Copy(all, x.derived)
	maps.Copy(all, x.own())
	return all
}

// numeric says whether it is shown where there are numbers alone.
func (x *thing) numeric() bool { return x.kind == "float" || x.kind == "int" }

// inClusterCockpit says whether ClusterCockpit sees it, and under what: numbers with a cluster and a hostname among their tags.
func (x *thing) inClusterCockpit() (cluster, host string, ok bool) {
	all := x.own()
	cluster, host = all["cluster"], all["hostname"]
	return cluster, host, x.numeric() && cluster != "" && host != ""
}

// inGnocchi is its name there: name@k=v,… with / as _, or the label of one by id.
func (x *thing) inGnocchi() (string, bool) {
	if !x.numeric() {
		return "", false
	}
	if x.byID {
		return x.label, true
	}
	var tags []string
	for _, t := range x.identity() {
		tags = append(tags, t.Name+"="+t.Value)
	}
	text := x.name
	if len(tags) > 0 {
		text += "@" + strings.Join(tags, ",")
	}
	return strings.ReplaceAll(text, "/", "_"), true
}

// step is the finest granularity that Gnocchi shows of it, in seconds: that of its policy, or a minute where that has no tiers.
func (x *thing) step() int64 {
	if x.policy == "low" {
		return 300
	}
	return 60 // which the policy medium has too
}

// means are the means of its samples in buckets of its step, by their beginnings.
func (x *thing) means() (times []int64, means []float64) {
	var n float64
	for _, s := range x.samples {
		at := s.at / x.step() * x.step()
		if len(times) == 0 || times[len(times)-1] != at {
			times, means, n = append(times, at), append(means, 0), 0
		}
		n++
		last := len(means) - 1
		means[last] += (number(s.value) - means[last]) / n
	}
	return times, means
}

// ran is how long nodes were there of which the metric is, in seconds, by the account of usage: for each user from the first sample to the
// last, and the grace longer.
func (x *thing) ran() (seconds int64) {
	if _, ok := x.node(); !ok {
		return 0
	}
	const grace = 300
	first, last := map[string]int64{}, map[string]int64{}
	for _, s := range x.samples {
		if _, ok := first[s.by]; !ok {
			first[s.by] = s.at
		}
		last[s.by] = s.at
	}
	for user := range first {
		seconds += last[user] - first[user] + grace
	}
	return seconds
}

// node says whether the account of usage takes it for one of a node: by the first of these tags of its identity, in the cluster of that
// tag.
func (x *thing) node() (host string, ok bool) {
	for _, k := range []string{"hostname", "host", "instance"} {
		if x.tags[k] != "" {
			return x.tags[k], true
		}
	}
	return "", false
}

// put adds a sample, or takes the place of the one at its time.
func (x *thing) put(s sample) {
	i, found := slices.BinarySearchFunc(x.samples, s, func(a, b sample) int { return int(a.at - b.at) })
	if found {
		x.samples[i] = s
		return
	}
	x.samples = slices.Insert(x.samples, i, s)
}

// doubled is a value as one of those dialects writes it whose numbers are doubles.
func (x *thing) doubled(s sample) sample {
	if x.kind == "int" {
		s.value = strconv.FormatInt(int64(number(s.value)), 10)
	}
	return s
}

func number(token string) float64 {
	v, err := strconv.ParseFloat(token, 64)
	if err != nil {
		panic(err)
	}
	return v
}

// nth is the n-th value of a kind.
func nth(kind string, n int64) string {
	switch kind {
	case "int":
		return strconv.FormatInt(9007199254740993+2*n, 10) // which no double holds
	case "state":
		return []string{`"up"`, `"down"`, `"admin"`, `"unknown"`}[n%4]
	case "text":
		return strconv.Quote("v" + strconv.FormatInt(n, 10))
	}
	return strconv.FormatInt(n, 10) + ".5"
}
