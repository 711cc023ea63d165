package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
)

// look is a column of the matrix: it holds what a dialect shows of a metric, found by name and by each tag, against the model.
// A metric that is gone has no samples.
type look struct {
	name   string
	strict bool // it is one in the strict mode of Hawkular too, which changes no other dialect
	read   func(b *across, x *thing)
}

var looks = []look{
	{"native", true, readNative},
	{"ClusterCockpit", false, readClusterCockpit},
	{"Hawkular", true, readHawkular},
	{"Gnocchi", false, readGnocchi},
	{"Influx", false, readInflux},
	{"usage", false, readUsage},
}

// gone says whether there is no such metric.
func (x *thing) gone() bool { return len(x.samples) == 0 }

// around is the range that all samples of the matrix lie in.
func (b *across) around() (from, to int64) { return b.t0, b.t0 + 3600 }

// searched are the tags by which a metric is looked for.
func (b *across) searched(x *thing) map[string]string {
	if b.brief {
		return nil
	}
	return x.searched()
}

// nativeMetric is a metric as the native API shows it.
type nativeMetric struct {
	ID, Name, Type, Kind, Unit, Dialect, Label string
	Tags                                       map[string]string
	Plain                                      map[string]string `json:"plain_tags"`
	Policy                                     struct{ Name string }
	Resource                                   struct{ ID string }
}

// found are the metrics of a name, or without one those that have the tag with that value.
func (b *across) found(name, tag, value string) []nativeMetric {
	b.t.Helper()
	var all struct{ Metrics []nativeMetric }
	body := `{"name":` + jsonOf(b.t, name) + `}`
	if name == "" {
		body = `{"selector":` + jsonOf(b.t, `{`+tag+`=`+jsonOf(b.t, value)+`}`) + `}`
	}
	b.parse(b.ask("POST", "/v2/metrics/search", body, 200), &all)
	return all.Metrics
}

func readNative(b *across, x *thing) {
	b.t.Helper()
	tags := b.searched(x)
	for _, k := range append([]string{""}, slices.Sorted(maps.Keys(tags))...) { // by its name, and by each tag that it has
		by, list := k+" = "+tags[k], []nativeMetric(nil)
		if k == "" {
			by, list = "its name", b.found(x.name, "", "")
		} else {
			list = b.found("", k, tags[k])
		}
		list = slices.DeleteFunc(list, func(m nativeMetric) bool { return m.Name != x.name })
		if x.gone() {
			if len(list) != 0 {
				b.t.Errorf("%s finds %+v", by, list)
			}
			continue
		}
		if x.id == "" && len(list) == 1 {
			x.id = list[0].ID
		}
		want := nativeMetric{ID: x.id, Name: x.name, Type: x.typ, Kind: x.kind, Unit: x.unit, Dialect: x.dialect, Label: x.label}
		want.Tags, want.Plain, want.Policy.Name, want.Resource.ID = x.tags, x.plain, x.policy, x.resource
		if len(list) != 1 || !same(list[0], want) {
			b.t.Errorf("%s finds\n%+v, want\n%+v", by, list, want)
		}
	}
	if x.gone() {
		b.ask("GET", "/v2/metrics/"+x.id, "", 404)
	}
	var frames struct {
		Frames []struct {
			Name   string
			Values []json.RawMessage
			Times  []int64
			Start  int64
			Step   int64
		}
	}
	from, to := b.around()
	b.parse(b.ask("POST", "/v2/query", fmt.Sprintf(`{"names":[%q],"start":%d,"end":%d}`, x.name, from, to), 200), &frames)
	got := ""
	for _, f := range frames.Frames {
		for i, v := range f.Values {
			at := f.Start + int64(i)*f.Step
			if len(f.Times) > 0 {
				at = f.Times[i]
			}
			got += fmt.Sprintf("%d=%s ", at/1000, v)
		}
	}
	if want := x.texts(func(s sample) string { return s.value }); got != want {
		b.t.Errorf("samples are %s, want %s", got, want)
	}
}

func same(a, b nativeMetric) bool {
	if !maps.Equal(a.Tags, b.Tags) || !maps.Equal(a.Plain, b.Plain) {
		return false
	}
	a.Tags, a.Plain, b.Tags, b.Plain = nil, nil, nil, nil
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// texts are all samples as time=value.
func (x *thing) texts(value func(sample) string) string {
	var b strings.Builder
	for _, s := range x.samples {
		fmt.Fprintf(&b, "%d=%s ", s.at, value(s))
	}
	return b.String()
}

func readClusterCockpit(b *across, x *thing) {
	b.t.Helper()
	cluster, host, sees := x.inClusterCockpit()
	if cluster == "" {
		cluster = "c" // whatever it asks for, it does not see it
	}
	if host == "" {
		host = "h1"
	}
	from, to := b.around()
	ask := func(more string) string {
		var answer struct {
			Results [][]struct {
				Data []*float64
				From int64
			}
		}
		b.parse(b.ask("POST", "/api/query", fmt.Sprintf(`{"cluster":%q,"from":%d,"to":%d,"with-padding":false,"queries":[{"metric":%q,"host":%q%s}]}`, cluster, from, to, x.name, host, more), 200), &answer)
		got := ""
		for _, columns := range answer.Results {
			for _, c := range columns {
				for i, v := range c.Data {
					if v != nil {
						got += fmt.Sprintf("%d=%v ", c.From+int64(i)*60, *v)
					}
				}
			}
		}
		return got
	}
	want := ""
	if sees {
		want = x.texts(func(s sample) string { return fmt.Sprint(number(s.value)) })
	}
	if got := ask(""); got != want {
		b.t.Errorf("it shows %q, want %q", got, want)
	}
	tags := x.own()
	if tags["type"] == "" {
		return
	}
	level := fmt.Sprintf(`,"type":%q,"type-ids":[%q]`, tags["type"], tags["type-id"])
	if tags["stype"] != "" {
		level += fmt.Sprintf(`,"subtype":%q,"subtype-ids":[%q]`, tags["stype"], tags["stype-id"])
	}
	if got := ask(level); got != want {
		b.t.Errorf("at its level it shows %q, want %q", got, want)
	}
	if got := ask(strings.Replace(level, `"type-ids":["`, `"type-ids":["9`, 1)); got != "" {
		b.t.Errorf("another id of its type shows %q", got)
	}
}

func readHawkular(b *across, x *thing) {
	b.t.Helper()
	var m struct {
		ID, Type string
		Tags     map[string]string
	}
	own := x.own()
	fits := func() bool { return m.ID == x.key() && m.Type == x.typ && maps.Equal(m.Tags, own) }
	status := 200
	if x.gone() {
		status = 204
	}
	if body := b.hawkular("GET", x.typ, x.key(), "", "", status); !x.gone() {
		if b.parse(body, &m); !fits() {
			b.t.Errorf("its definition is %s, want %s %s %v", body, x.key(), x.typ, own)
		}
	}
	searches := b.searched(x)
	for _, k := range slices.Sorted(maps.Keys(searches)) {
		body := b.asked("GET", "/hawkular/metrics/metrics?type="+x.typ+"&tags="+url.QueryEscape(tagQuery(k, searches[k])), "")
		var list []json.RawMessage
		if body != "" {
			b.parse(body, &list)
		}
		n := 0
		for _, item := range list {
			m.ID, m.Type, m.Tags = "", "", nil
			b.parse(string(item), &m)
			if fits() {
				n++
			} else if m.ID == x.key() {
				b.t.Errorf("a search for %s finds %s", k, item)
			}
		}
		if n == 0 != x.gone() || n > 1 {
			b.t.Errorf("a search for %s = %s finds %d of it: %s", k, searches[k], n, body)
		}
	}
	from, to := b.around()
	var points []struct {
		Timestamp int64
		Value     json.RawMessage
	}
	if body := b.asked("GET", b.at(x.typ, x.key())+fmt.Sprintf("/raw?start=%d&end=%d&order=ASC", from*1000, to*1000), ""); body != "" {
		b.parse(body, &points)
	}
	value := func(token string) string { // in the strict mode a whole float has a point
		if x.typ == "gauge" {
			return fmt.Sprint(number(token))
		}
		return strings.Trim(token, `"`)
	}
	got := ""
	for _, p := range points {
		got += fmt.Sprintf("%d=%s ", p.Timestamp/1000, value(string(p.Value)))
	}
	if want := x.texts(func(s sample) string { return value(s.value) }); got != want {
		b.t.Errorf("points are %s, want %s", got, want)
	}
}

// tagQuery asks for one value of a tag. Names that are no words of the language are asked for in the older one.
func tagQuery(tag, value string) string {
	if strings.Contains(tag, "-") {
		return tag + ":" + value
	}
	return tag + " = '" + value + "'"
}

func readGnocchi(b *across, x *thing) {
	b.t.Helper()
	name, sees := x.inGnocchi()
	sees = sees && !x.gone()
	type metric struct {
		ID, Name, Unit string
		Resource       string                `json:"resource_id"`
		Creator        string                `json:"creator"`
		Policy         struct{ Name string } `json:"archive_policy"`
	}
	want := metric{ID: x.id, Name: name, Unit: x.unit, Resource: x.resource}
	want.Policy.Name = x.policy
	if x.byID {
		want.Creator = "admin"
	}
	if !sees {
		if name == "" {
			name = x.name
		}
		b.ask("GET", "/v1/metric/"+x.id, "", 404)
		b.ask("GET", "/v1/metric/"+x.id+"/measures", "", 404)
		if body := b.ask("GET", "/v1/metric?name="+url.QueryEscape(name), "", 200); body != "[]" {
			b.t.Errorf("it lists %s", body)
		}
		return
	}
	var one struct {
		metric
		Of struct{ ID string } `json:"resource"`
	}
	b.parse(b.ask("GET", "/v1/metric/"+x.id, "", 200), &one)
	one.Resource = one.Of.ID
	if one.metric != want {
		b.t.Errorf("it shows %+v, want %+v", one, want)
	}
	var list []metric
	b.parse(b.ask("GET", "/v1/metric?name="+url.QueryEscape(name), "", 200), &list)
	if len(list) != 1 || list[0] != want {
		b.t.Errorf("it lists %+v, want %+v", list, want)
	}
	from, to := b.around()
	var measures [][3]any
	b.parse(b.ask("GET", fmt.Sprintf("/v1/metric/%s/measures?start=%d&stop=%d&granularity=%d", x.id, from, to, x.step()), "", 200), &measures)
	times, means := x.means()
	ok := len(measures) == len(times)
	for i := 0; ok && i < len(times); i++ {
		at, err := time.Parse(time.RFC3339, fmt.Sprint(measures[i][0]))
		v, _ := measures[i][2].(float64)
		ok = err == nil && at.Unix() == times[i] && math.Abs(v-means[i]) < 1e-9*math.Abs(means[i])
	}
	if !ok {
		b.t.Errorf("its measures are %v, want %v %v", measures, times, means)
	}
}

// readInflux asks for what InfluxDB's clients look for: a metric is a measurement with one field, and all tags that find it are its own.
func readInflux(b *across, x *thing) {
	b.t.Helper()
	show := func(what string) (rows []string) {
		var answer struct {
			Results []struct {
				Series []struct {
					Name   string
					Values [][]string
				}
			}
		}
		b.parse(b.ask("POST", "/query?db=telegraf&q="+url.QueryEscape("SHOW "+what), "", 200), &answer)
		for _, r := range answer.Results {
			for _, s := range r.Series {
				for _, v := range s.Values {
					rows = append(rows, s.Name+" "+strings.Join(v, "="))
				}
			}
		}
		return rows
	}
	field := x.name + " value=" + map[string]string{"float": "float", "int": "integer", "state": "float", "text": "string"}[x.kind]
	var tags []string
	all := x.searched()
	for _, k := range slices.Sorted(maps.Keys(all)) {
		tags = append(tags, x.name+" "+k+"="+all[k])
	}
	fields := []string{field}
	if x.gone() {
		fields, tags = nil, nil
	}
	if got := show(`FIELD KEYS FROM "` + x.name + `"`); !slices.Equal(got, fields) {
		b.t.Errorf("its fields are %q, want %q", got, fields)
	}
	if got := show(`TAG VALUES FROM "` + x.name + `" WITH KEY =~ /.+/`); !slices.Equal(got, tags) {
		b.t.Errorf("its tags are %q, want %q", got, tags)
	}
	for k, v := range b.searched(x) {
		if found := slices.Contains(show(`MEASUREMENTS WHERE "`+k+`" = '`+v+`'`), "measurements "+x.name); found == x.gone() {
			b.t.Errorf("a search for %s = %s finds it: %v", k, v, found)
		}
	}
}

// readUsage asks as Coopr does how long nodes ran, which no deletion changes.
func readUsage(b *across, x *thing) {
	b.t.Helper()
	cluster := x.tags["cluster"]
	if cluster == "" || x.gone() || len(x.samples) < 2 { // the account is not of metrics
		return
	}
	from, to := b.around()
	var usage struct{ Data []struct{ Value int64 } }
	b.parse(b.ask("GET", fmt.Sprintf("/v2/metrics/nodes/usage?start=%d&end=%d&cluster=%s", from, to, cluster), "", 200,
		"Coopr-UserID", "admin", "Coopr-TenantID", "superadmin", "Coopr-ApiKey", "any"), &usage)
	if len(usage.Data) != 1 || usage.Data[0].Value != x.ran() {
		b.t.Errorf("nodes of %s ran %v, want %d", cluster, usage.Data, x.ran())
	}
}
