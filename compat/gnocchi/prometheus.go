package gnocchi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"granary/compat/gnocchi/points"
	"granary/measures"
	"granary/measures/ingest/remote"
	"granary/metricdef/resource"
	"granary/tenant/identity"
)

// prometheusType is the type of resources that Prometheus writes.
const prometheusType = "prometheus"

func (d *Dialect) prometheusRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "/prometheus/write", right: identity.Write, points: true, block: true, takes: "*", produces: typeHTML, serve: (*call).postPrometheus},
	}
}

// postPrometheus stores a request of remote write. A target is a resource, and a series a metric of it. A series that cannot be stored
// does not cost the others.
func (c *call) postPrometheus() error {
	return c.takeAs((*intake).readRemote, func() error {
		c.w.Header()["Content-Type"] = []string{typeHTML + "; charset=UTF-8"}
		c.w.WriteHeader(http.StatusAccepted)
		return nil
	})
}

func (in *intake) readRemote(body []byte) error {
	if in.remote == nil {
		in.remote = remote.NewDecoder(remote.Options{})
	}
	if err := in.remote.Decode(body, &in.turn); err != nil {
		return err
	}
	t, err := in.c.providedType(resource.Type{Name: prometheusType, Attributes: []resource.Attribute{
		{Name: "instance", Kind: resource.String, Required: true, MinLength: 1, MaxLength: 512},
		{Name: "job", Kind: resource.String, Required: true, MinLength: 1, MaxLength: 512},
	}})
	if err != nil {
		return err
	}
	in.dec.Begin()
	in.faults.of, in.faults.what = in.remote.Series(), "series"
	var origins []*origin
	var names []string
	byTarget := map[string]*origin{}
	var key, lastKey []byte
	var last *origin
	for n := range in.remote.Series() {
		name, ok := in.remoteName(n)
		if !ok {
			continue
		}
		job, instance := in.remote.Label(n, "job"), in.remote.Label(n, "instance")
		key = append(append(append(key[:0], orNone(job)...), '@'), orNone(instance)...)
		if last == nil || !bytes.Equal(lastKey, key) { // series of one target mostly stand beside each other
			o, ok := byTarget[string(key)]
			if !ok {
				var err error
				if o, err = in.c.targetOrigin(t, orNone(job), orNone(instance)); err != nil {
					in.faults.add(shorten(name), err)
					continue
				}
				origins, byTarget[string(key)] = append(origins, o), o
			}
			last, lastKey = o, append(lastKey[:0], key...)
		}
		if !in.addRemote(n, name, len(body)/in.remote.Series()) {
			return badRequest("a request has at most %d series", points.MaxLists)
		}
		last.lists, names = append(last.lists, len(names)), append(names, name)
	}
	if h := in.remote.Histograms; h > 0 {
		in.ignored[measures.WrongKind] += h
		in.refused += h
		in.first = "native histograms are not stored"
	}
	return in.provide(t, origins, names, true)
}

// orNone is a label as resources have it: the text that says that there is none, if it is not there.
func orNone(label []byte) string {
	if len(label) == 0 {
		return "none"
	}
	return string(label)
}

// targetOrigin is the resource of a target.
func (c *call) targetOrigin(t *resource.Type, job, instance string) (*origin, error) {
	original := strings.ReplaceAll(job+"@"+instance, "/", "_")
	id, err := resourceID(original, c.creator)
	if err != nil {
		return nil, err
	}
	o := &origin{id: id, original: original, attributes: map[string]resource.Value{}}
	for _, a := range t.Attributes {
		switch a.Name {
		case "job":
			o.attributes[a.Name] = resource.TextValue(job)
		case "instance":
			o.attributes[a.Name] = resource.TextValue(instance)
		}
	}
	return o, nil
}

// remoteName is the name of the metric of a series: __name__, and where there are more labels than those of the target @ and them.
func (in *intake) remoteName(n int) (string, bool) {
	name := in.remote.Label(n, "__name__")
	if name == nil {
		in.faults.add(fmt.Sprintf("series %d", n), errors.New("it has no label __name__"))
		return "", false
	}
	b := append([]byte(nil), name...)
	next := byte('@')
	for _, l := range in.remote.Labels(n) {
		switch string(l.Name) {
		case "__name__", "job", "instance":
			continue
		}
		b = append(append(append(append(b, next), l.Name...), '='), l.Value...)
		next = ','
	}
	return strings.ReplaceAll(string(b), "/", "_"), true
}

// addRemote adds the samples of a series; it is false if there are too many. What only says that a series ends is none.
func (in *intake) addRemote(n int, name string, size int) bool {
	if !in.dec.List(name, size) {
		return false
	}
	from, to := in.remote.Rows(n)
	for row := from; row < to; row++ {
		const milli, last = 1_000_000, points.LastTime / 1_000_000
		switch t := in.remote.Times[row]; {
		case remote.IsStale(in.remote.Values[row]):
		case t < 0 || t > last:
			why := measures.TooOld
			if t > 0 {
				why = measures.TooNew
			}
			in.ignored[why]++
			in.refused++
			if in.first == "" {
				in.first = fmt.Sprintf("%s: a sample at %d ms since 1970 cannot be stored", shorten(name), t)
			}
		default:
			in.dec.Add(t*milli, in.remote.Values[row])
		}
	}
	return true
}

// providedType is the type of that name, which is made if it is not there.
func (c *call) providedType(t resource.Type) (*resource.Type, error) {
	if have, ok := c.d.o.Resources.Type(t.Name); ok {
		return &have, nil
	}
	var exist *resource.ExistsError
	if err := c.d.o.Store.CreateResourceType(c.ctx, t); err != nil && !errors.As(err, &exist) {
		return nil, resourceTypeFault(err, t.Name)
	}
	if have, ok := c.d.o.Resources.Type(t.Name); ok {
		return &have, nil
	}
	return nil, noResourceType(t.Name)
}
