package native

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/usage"
)

// Usage is the ledger of what tenants use.
type Usage interface {
	// Hours are the hours of a tenant in [from, to), seconds since 1970.
	Hours(t tenant.Num, from, to int64) ([]usage.Hour, error)
	// EachNode calls fn for the nodes that a filter chooses, behind a key, until it answers false.
	EachNode(f usage.NodeFilter, after *usage.NodeKey, fn func(*usage.Node) bool) error
	// Everybody is every tenant that ever was: the usage of one that was deleted stays for a while.
	Everybody() []UsageTenant
}

// UsageTenant is a tenant as the ledger knows it. Several may have one id, of which at most one is there.
type UsageTenant struct {
	Num     tenant.Num
	ID      tenant.ID
	Deleted bool
}

var usageTypes = []string{typeJSON, typeCSV}

func (a *API) usageRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/usage", right: reads, serve: a.getUsage, produces: usageTypes},
		{method: http.MethodGet, path: "/usage/nodes", right: reads, serve: a.getNodes, produces: usageTypes},
	}
}

// accounted are the tenants that a request wants the usage of: its own, or those that the parameter tenants names, which each
// have to let it read. "*" is for operators, and is all, those among them that were deleted.
type accounted struct {
	list   []UsageTenant // ascending by id, then by number
	number bool          // show numbers, which tell tenants of one id apart
}

func (a *API) accounted(r *http.Request, p *params) (*accounted, error) {
	who := edge.IdentityFrom(r.Context())
	if !p.has("tenants") {
		p.asked = append(p.asked, "tenants")
		var list []UsageTenant
		if t, ok := a.reading(r); ok {
			list = append(list, UsageTenant{Num: t.Num, ID: t.ID})
		}
		return &accounted{list: list, number: who.Operator()}, nil
	}
	ids, all, err := a.several(r, p, reads)
	if err != nil {
		return nil, err
	}
	if all || len(ids) > 1 {
		a.o.Audit.Wide(r, who, "usage.read", p.text("tenants", ""))
	}
	out := &accounted{number: who.Operator()}
	for _, t := range a.o.Usage.Everybody() {
		if (all || slices.Contains(ids, t.ID)) && (!t.Deleted || who.Operator()) {
			out.list = append(out.list, t)
		}
	}
	slices.SortFunc(out.list, func(x, y UsageTenant) int {
		if c := strings.Compare(string(x.ID), string(y.ID)); c != 0 {
			return c
		}
		return int(int64(x.Num) - int64(y.Num))
	})
	return out, nil
}

// usageForm is what an answer about usage is written as.
type usageForm struct {
	csv    bool
	number bool
	format edge.TimeFormat
}

func (p *params) usageForm(r *http.Request) usageForm {
	csv := edge.Negotiate(r, usageTypes...) == typeCSV
	switch p.choice("format", "", "json", "csv") {
	case "json":
		csv = false
	case "csv":
		csv = true
	}
	return usageForm{csv: csv, format: p.format()}
}

// time appends a time, in CSV without quotes.
func (f *usageForm) time(b []byte, ns int64) []byte {
	at := len(b)
	b = f.format.Append(b, ns)
	if f.csv && b[at] == '"' {
		b = append(b[:at], b[at+1:len(b)-1]...)
	}
	return b
}

// tenant appends the members, or fields, that say whose a row is.
func (f *usageForm) tenant(b []byte, id tenant.ID, num tenant.Num) []byte {
	if f.csv {
		b = append(appendField(b, string(id)), ',')
		if f.number {
			b = strconv.AppendUint(b, uint64(num), 10)
		}
		return b
	}
	b = edge.AppendString(append(b, `{"tenant":`...), string(id))
	if f.number {
		b = strconv.AppendUint(append(b, `,"number":`...), uint64(num), 10)
	}
	return b
}

// usageStream sends an answer of many rows, part by part.
func (a *API) usageStream(w http.ResponseWriter, r *http.Request, f usageForm, write func(s *edge.Stream) error) error {
	contentType := typeJSON
	if f.csv {
		contentType = typeCSV + "; charset=utf-8; header=present"
	}
	s := a.o.Compress.Stream(w, r, contentType)
	defer s.Free()
	return s.Finish(write(s), a.o.Logger, Name)
}

// spans of the answers by=hour, day and month if nothing is said, and the columns of a row.
var (
	usageSpans   = map[string]time.Duration{"hour": 24 * time.Hour, "day": 31 * 24 * time.Hour, "month": 366 * 24 * time.Hour}
	usageColumns = [...]string{"samples", "bytes", "series", "series_peak", "series_hours", "series_created", "series_removed", "queries", "samples_read", "bytes_sent"}
)

// usageRow is what a tenant used in an hour, a day or a month.
type usageRow struct {
	from, to int64 // seconds
	usage.Hour
	seriesHours int64 // the peaks of the hours
}

func (x *usageRow) values() [len(usageColumns)]uint64 {
	return [...]uint64{x.Samples, x.Bytes, uint64(x.Series), uint64(x.Peak), uint64(x.seriesHours), x.Created, x.Removed, x.Queries, x.Read, x.Sent}
}

// period is the beginning and the end of the hour, day or month, in UTC, that a time lies in.
func period(by string, seconds int64) (from, to int64) {
	switch t := time.Unix(seconds, 0).UTC(); by {
	case "month":
		first := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		return first.Unix(), first.AddDate(0, 1, 0).Unix()
	case "day":
		first := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
		return first.Unix(), first.AddDate(0, 0, 1).Unix()
	}
	from = seconds - seconds%3600
	return from, from + 3600
}

// rows puts the hours of a tenant together. A period that the range cuts has what lies in the range.
func rows(by string, hours []usage.Hour) (list []usageRow) {
	for _, h := range hours {
		from, to := period(by, h.Start)
		if n := len(list); n == 0 || list[n-1].from != from {
			list = append(list, usageRow{from: from, to: to})
		}
		x := &list[len(list)-1]
		x.Add(&h.Counts)
		x.Series, x.Peak = h.Series, max(x.Peak, h.Peak)
		x.seriesHours += h.Peak
	}
	return list
}

// getUsage answers what tenants have used, by hour, day or month.
func (a *API) getUsage(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	by := p.choice("by", "hour", "day", "month")
	end := p.time("end", a.o.Now().UnixNano())
	start := p.time("start", end-int64(usageSpans[by]))
	f := p.usageForm(r)
	of, err := a.accounted(r, p)
	if err != nil {
		return err
	}
	if start > end {
		p.fail("start", "lies behind end")
	}
	if start < 0 || end > 1<<62 {
		p.fail("start", "and end have to lie between 1970 and 2116")
	}
	if err := p.end(); err != nil {
		return err
	}
	f.number = of.number
	// Hours are counted whole: the first is that which start lies in, the last one that which ends at end or behind it.
	first, last := start/1e9, (end+1e9-1)/1e9
	return a.usageStream(w, r, f, func(s *edge.Stream) error {
		if f.csv {
			s.B = append(s.B, "tenant,number,start,end,"+strings.Join(usageColumns[:], ",")+",deleted\r\n"...)
		} else {
			s.B = append(s.B, `{"by":"`+by+`","usage":[`...)
		}
		some := false
		for _, t := range of.list {
			if err := r.Context().Err(); err != nil {
				return err
			}
			hours, err := a.o.Usage.Hours(t.Num, first, last)
			if err != nil {
				return err
			}
			for _, row := range rows(by, hours) {
				if some && !f.csv {
					s.B = append(s.B, ',')
				}
				some = true
				s.B = f.row(s.B, t, &row)
			}
			if err := s.Flush(); err != nil {
				return err
			}
		}
		if !f.csv {
			s.B = append(s.B, "]}\n"...)
		}
		return nil
	})
}

func (f *usageForm) row(b []byte, t UsageTenant, x *usageRow) []byte {
	b = f.tenant(b, t.ID, t.Num)
	if f.csv {
		b = append(f.time(append(b, ','), x.from*1e9), ',')
		b = f.time(b, x.to*1e9)
		for _, v := range x.values() {
			b = strconv.AppendUint(append(b, ','), v, 10)
		}
		b = strconv.AppendBool(append(b, ','), t.Deleted)
		return append(b, '\r', '\n')
	}
	if t.Deleted {
		b = append(b, `,"deleted":true`...)
	}
	b = f.time(append(b, `,"start":`...), x.from*1e9)
	b = f.time(append(b, `,"end":`...), x.to*1e9)
	for i, v := range x.values() {
		b = append(append(append(b, `,"`...), usageColumns[i]...), `":`...)
		b = strconv.AppendUint(b, v, 10)
	}
	return append(b, '}')
}

// getNodes answers when nodes ran.
func (a *API) getNodes(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	now := a.o.Now().UnixNano()
	q := usage.NodeFilter{To: p.time("end", now)}
	q.From = p.time("start", q.To-int64(24*time.Hour))
	q.Cluster, q.Name, q.User, q.Template = p.text("cluster", ""), p.text("name", ""), p.text("user", ""), p.text("template", "")
	limit := p.integer("limit", 0, 1, 1<<30)
	after := p.nodeCursor("cursor")
	f := p.usageForm(r)
	of, err := a.accounted(r, p)
	if err != nil {
		return err
	}
	if q.From > q.To {
		p.fail("start", "lies behind end")
	}
	if err := p.end(); err != nil {
		return err
	}
	f.number = of.number
	q.Tenants = []tenant.Num{}
	deleted := map[tenant.Num]bool{}
	for _, t := range of.list {
		q.Tenants = append(q.Tenants, t.Num)
		deleted[t.Num] = t.Deleted
	}
	return a.usageStream(w, r, f, func(s *edge.Stream) error {
		if f.csv {
			s.B = append(s.B, "tenant,number,cluster,name,user,template,start,end,running,hours\r\n"...)
		} else {
			s.B = append(s.B, `{"nodes":[`...)
		}
		count := int64(0)
		var last usage.NodeKey
		next := ""
		var failed error
		err := a.o.Usage.EachNode(q, after, func(n *usage.Node) bool {
			if limit > 0 && count == limit {
				next = nodeCursor(&last)
				return false
			}
			if count > 0 && !f.csv {
				s.B = append(s.B, ',')
			}
			s.B = f.node(s.B, n, deleted[n.Tenant], &q)
			count++
			last = n.NodeKey
			if failed = s.Flush(); failed == nil && count%1000 == 0 {
				failed = r.Context().Err()
			}
			return failed == nil
		})
		if err == nil {
			err = failed
		}
		if err != nil || f.csv {
			return err
		}
		s.B = append(s.B, ']')
		if next != "" {
			s.B = edge.AppendString(append(s.B, `,"next":`...), next)
		}
		s.B = append(s.B, "}\n"...)
		return nil
	})
}

// within is the part of a life that lies in a range, in nanoseconds.
func within(l *usage.Life, q *usage.NodeFilter) int64 {
	return max(min(l.To, q.To)-max(l.From, q.From), 0)
}

// appendHours appends nanoseconds as hours.
func appendHours(b []byte, ns int64) []byte {
	return strconv.AppendFloat(b, float64(ns/1e6)/3.6e6, 'f', -1, 64)
}

// node appends a node: in CSV a row a life.
func (f *usageForm) node(b []byte, n *usage.Node, deleted bool, q *usage.NodeFilter) []byte {
	if f.csv {
		for i := range n.Lives {
			l := &n.Lives[i]
			b = f.tenant(b, n.TenantID, n.Tenant)
			for _, text := range [...]string{n.Cluster, n.Name, n.User, n.Template} {
				b = appendField(append(b, ','), text)
			}
			b = f.time(append(b, ','), l.From)
			b = f.time(append(b, ','), l.To)
			b = strconv.AppendBool(append(b, ','), l.Running)
			b = append(appendHours(append(b, ','), within(l, q)), '\r', '\n')
		}
		return b
	}
	b = f.tenant(b, n.TenantID, n.Tenant)
	if deleted {
		b = append(b, `,"deleted":true`...)
	}
	for _, m := range [...]struct{ name, text string }{{"cluster", n.Cluster}, {"name", n.Name}, {"user", n.User}, {"template", n.Template}} {
		if m.text != "" {
			b = append(append(append(b, `,"`...), m.name...), `":`...)
			b = edge.AppendString(b, m.text)
		}
	}
	hours := int64(0)
	for i := range n.Lives {
		hours += within(&n.Lives[i], q)
	}
	b = appendHours(append(b, `,"hours":`...), hours)
	b = append(b, `,"lives":[`...)
	for i := range n.Lives {
		l := &n.Lives[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = f.time(append(b, `{"start":`...), l.From)
		b = f.time(append(b, `,"end":`...), l.To)
		if l.Running {
			b = append(b, `,"running":true`...)
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// nodeCursor is the text from which a list of nodes goes on.
func nodeCursor(k *usage.NodeKey) string { return base64.RawURLEncoding.EncodeToString(k.Bytes()) }

func (p *params) nodeCursor(name string) *usage.NodeKey {
	text := p.text(name, "")
	if text == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	k, ok := usage.ParseNodeKey(b)
	if err != nil || !ok {
		p.fail(name, "is none that a page has named")
		return nil
	}
	return &k
}
