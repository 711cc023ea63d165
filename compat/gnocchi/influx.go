package gnocchi

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"granary/api/edge"
	"granary/compat/gnocchi/attribute"
	"granary/compat/gnocchi/points"
	"granary/compat/gnocchi/when"
	"granary/measures/ingest/line"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant/identity"
)

// influxTag is the tag that names the resource of a line, unless a header field says which does; influxDatabase is the type of the resources
// where a request does not say.
const (
	influxTag       = "host"
	influxTagHeader = "X-Gnocchi-Influxdb-Tag-Resource-Id"
	influxDatabase  = "influxdb"
)

func (d *Dialect) influxRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/influxdb/ping", right: identity.Read, open: true, produces: typeHTML, serve: (*call).pingInflux},
		{method: http.MethodHead, path: "/influxdb/ping", right: identity.Read, open: true, produces: typeHTML, serve: (*call).pingInflux},
		{method: http.MethodPost, path: "/influxdb/query", right: identity.Read, takes: "*", produces: "*", audit: "resource-type.create", serve: (*call).queryInflux},
		{method: http.MethodPost, path: "/influxdb/write", right: identity.Write, points: true, takes: "*", produces: "*", serve: (*call).postInflux},
	}
}

// pingInflux answers clients that look for a server.
func (c *call) pingInflux() error {
	c.w.Header()["X-Influxdb-Version"] = []string{"Gnocchi " + c.d.o.Version}
	return c.nothing()
}

// queryInflux makes a database, which is a type of resources, if the query asks for one; nothing else can be asked for.
func (c *call) queryInflux() error {
	q := c.query.Get("q")
	if edge.MediaType(c.r) == "application/x-www-form-urlencoded" && q == "" {
		form, err := c.form()
		if err != nil {
			return err
		}
		q = form.Get("q")
	}
	if q == "" {
		c.unchanged = true
		return c.nothing()
	}
	name, ok := createdDatabase(q)
	if !ok {
		return &refusal{http.StatusNotImplemented, "query-invalid", because("Not implemented error", "detail", "q", "reason", "Query not implemented")}
	}
	if err := c.demand(createResourceType, nil); err != nil {
		return err
	}
	if _, err := attribute.TypeName(name); err != nil {
		return argumentDetail("q", err.Error())
	}
	c.target = name
	_, c.unchanged = c.d.o.Resources.Type(name)
	if _, err := c.providedType(resource.Type{Name: name}); err != nil {
		return err
	}
	return c.nothing()
}

// createdDatabase is the name in CREATE DATABASE name, which may be in quotes and have a semicolon behind it.
func createdDatabase(q string) (name string, ok bool) {
	words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(q), ";"))
	if len(words) < 3 || !strings.EqualFold(words[0], "create") || !strings.EqualFold(words[1], "database") {
		return "", false
	}
	name = strings.Join(words[2:], " ")
	if len(name) > 1 && (name[0] == '"' || name[0] == '\'') && name[len(name)-1] == name[0] {
		name = name[1 : len(name)-1]
	} else if len(words) > 3 {
		return "", false
	}
	return name, name != ""
}

// postInflux stores lines. A host is a resource, and a field of a measurement, with its tags, a metric of it.
func (c *call) postInflux() error {
	db := c.query.Get("db")
	if db == "" {
		db = influxDatabase
	}
	t, ok := c.d.o.Resources.Type(db)
	if !ok {
		return noObject("db: Resource type %s does not exist", shorten(db))
	}
	unit, ok := line.Precision(cmp.Or(c.query.Get("precision"), "ns"))
	if !ok {
		return argumentDetail("precision", "Must be n, u, ms, s, m or h")
	}
	tag := c.r.Header.Get(influxTagHeader)
	if tag == "" {
		tag = influxTag
	}
	return c.takeAs(func(in *intake, body []byte) error {
		p := influxReader{in: in, tag: tag, unit: int64(unit), byHost: map[string]*origin{}}
		in.dec.Begin()
		for n, paced := 1, len(body); len(body) > 0; n++ {
			line := body
			if i := bytes.IndexByte(body, '\n'); i >= 0 {
				line = body[:i]
			}
			body = body[min(len(line)+1, len(body)):]
			if err := p.line(n, line); err != nil {
				return err
			}
			if paced-len(body) > 4<<10 {
				in.turn.Spent(int64(paced-len(body)) * workOfInflux)
				paced = len(body)
			}
		}
		return in.provide(&t, p.origins, p.names, false)
	}, c.nothing)
}

// workOfInflux is the work of a byte of lines, in units of turns.
const workOfInflux = 20

// form reads a body of names and values.
func (c *call) form() (url.Values, error) {
	b, err := c.body()
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, badRequest("the body cannot be read: %v", err)
	}
	return form, nil
}

// maxInfluxNames bounds the names that a body makes, in bytes: each field of a line has all tags of the line in its name, so that they may be
// very much longer than the body.
const maxInfluxNames = 128 << 20

// influxReader brings lines into an intake.
type influxReader struct {
	in   *intake
	tag  string // that names the resource
	unit int64  // of times, in nanoseconds

	origins []*origin
	byHost  map[string]*origin
	names   []string // of the metrics of the lists
	named   int      // bytes of names
	tags    []metricdef.Tag
}

// noLine refuses a body since a line of it says something else than it has to.
func noLine(n int, why string) error {
	reason := fmt.Sprintf("Unable to parse line %d", n)
	if why != "" {
		reason += ": " + why
	}
	return caused("Value error", "detail", "line", "reason", reason)
}

// line reads a line.
func (p *influxReader) line(n int, text []byte) error {
	d := lineprotocol.NewDecoderWithBytes(text)
	if !d.Next() {
		if d.Err() != nil {
			return noLine(n, "")
		}
		return nil // nothing, or a comment
	}
	measurement, err := d.Measurement()
	if err != nil {
		return noLine(n, "")
	}
	front := string(measurement) + "."
	host, suffix, err := p.readTags(d)
	var own *refusal
	switch {
	case errors.As(err, &own):
		return err
	case err != nil:
		return noLine(n, "")
	}
	o, err := p.originOf(host)
	if err != nil {
		return err
	}
	first := len(p.names)
	for {
		key, value, err := d.NextField()
		if err != nil {
			return noLine(n, "")
		}
		if key == nil {
			break
		}
		var v float64
		switch value.Kind() {
		case lineprotocol.Float:
			v = value.FloatV()
		case lineprotocol.Int:
			v = float64(value.IntV())
		case lineprotocol.Uint:
			v = float64(value.UintV())
		case lineprotocol.String:
			continue
		default:
			return noLine(n, "")
		}
		size := len(front) + len(key) + len(suffix)
		switch p.named += size; {
		case size > metricdef.MaxText:
			return nameTooLong(metricdef.MaxText)
		case p.named > maxInfluxNames:
			return badRequest("line %d: the names of the metrics of one body have at most %d bytes together; send fewer lines at once", n, maxInfluxNames)
		}
		name := strings.ReplaceAll(front+string(key)+suffix, "/", "_")
		if !p.in.dec.List(name, len(text)) {
			return noLine(n, fmt.Sprintf("a body has at most %d fields", points.MaxLists))
		}
		o.lists = append(o.lists, len(p.names))
		p.names = append(p.names, name)
		p.in.dec.Add(0, v)
	}
	t, err := p.time(d)
	if err != nil {
		return noLine(n, err.Error())
	}
	for row := first; row < len(p.names); row++ { // each list has one measure
		p.in.dec.Times[row] = t
	}
	return nil
}

// readTags reads the tags of a line: that of the resource, and the others as names of metrics have them.
func (p *influxReader) readTags(d *lineprotocol.Decoder) (host, suffix string, err error) {
	p.tags = p.tags[:0]
	for {
		key, value, err := d.NextTag()
		switch {
		case err != nil:
			return "", "", err
		case key == nil:
			slices.SortStableFunc(p.tags, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
			next := "@"
			for _, t := range p.tags {
				suffix += next + t.Name + "=" + t.Value
				if next = ","; len(suffix) > metricdef.MaxText { // each field would have it all, and there is no end to tags
					return "", "", nameTooLong(metricdef.MaxText)
				}
			}
			return host, suffix, nil
		case string(key) == p.tag:
			host = string(value)
		default:
			p.tags = append(p.tags, metricdef.Tag{Name: string(key), Value: string(value)})
		}
	}
}

// originOf is the resource of a host.
func (p *influxReader) originOf(host string) (*origin, error) {
	if host == "" {
		return nil, caused("Value error", "detail", "key", "reason", fmt.Sprintf("Unable to find key `%s' in tags", shorten(p.tag)))
	}
	if o, ok := p.byHost[host]; ok {
		return o, nil
	}
	id, err := resourceID(host, p.in.c.creator)
	if err != nil {
		return nil, caused("Value error", "detail", p.tag, "reason", fmt.Sprintf("%s: %v", shorten(host), err))
	}
	o := &origin{id: id, original: host}
	p.byHost[host] = o
	p.origins = append(p.origins, o)
	return o, nil
}

var (
	errEpoch  = errors.New("Timestamp must be after Epoch") //nolint:staticcheck // as it is said of all timestamps here
	errBeyond = fmt.Errorf("the timestamp is beyond %s, the last one that can be stored", when.AppendTime(nil, points.LastTime))
)

// time reads the time of a line, in nanoseconds.
func (p *influxReader) time(d *lineprotocol.Decoder) (int64, error) {
	text, err := d.TimeBytes()
	switch {
	case err != nil:
		return 0, err
	case len(text) == 0:
		return p.in.c.now.UnixNano(), nil
	}
	t, err := strconv.ParseInt(string(text), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) && text[0] != '-', t > points.LastTime/p.unit:
		return 0, errBeyond
	case err != nil, t < 0:
		return 0, errEpoch
	}
	return t * p.unit, nil
}
