package clustercockpit

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"granary/api/edge"
	"granary/metricdef"
	"granary/tenant/queue"
)

// debug serves /api/debug: the tree at and below the level that the parameter "selector" names ("cluster:host:level"),
// with the windows of each series. The layout, line for line, is the original's; unlike its, the text is valid JSON,
// sorted, without levels that hold no data, and levels whose name has a colon (PCI addresses) can be named.
func (d *Dialect) debug(w http.ResponseWriter, r *http.Request) {
	selector := r.URL.Query().Get("selector")
	cluster, _, _ := strings.Cut(selector, ":")
	var ticket queue.Ticket
	if !d.enter(w, r, &ticket, cluster) {
		return
	}
	defer ticket.Leave()
	buf := edge.NewBuffer()
	defer buf.Free()
	t := dump{d: d, ctx: r.Context(), b: append(buf.B, `{"data":{`...), turn: ticket.Turn()}
	if err := t.turn.Begin(t.ctx); err != nil {
		d.fail(w, r, err)
		return
	}
	defer t.turn.End()
	if selector == "" {
		if v := viewOf(t.ctx); len(v.tenants()) > 1 {
			d.o.Audit.Wide(r, v.who, "debug.read", v.list())
		}
		d.clusters(t.ctx, func(name string, n Node) bool {
			t.level(name, n, 1)
			return t.err == nil
		})
	} else {
		n := d.named(r.Context(), selector)
		if n == nil {
			d.refuse(w, r, http.StatusBadRequest, fmt.Sprintf("[METRICSTORE]> not found: %#v", strings.Split(selector, ":")))
			return
		}
		t.content(n, 1)
	}
	t.turn.End()
	t.b = append(t.b, "\n}}\n"...)
	buf.B = t.b
	ticket.Leave()
	if t.err != nil {
		d.fail(w, r, t.err)
		return
	}
	d.o.Compress.Answer(w, r, http.StatusOK, "application/json", buf.B)
}

// maxColons bounds the ways in which a selector is cut into names; longer ones are cut at every colon.
const maxColons = 16

// named is the level of a selector. A colon parts two names or belongs to one: the shortest name that exists wins.
func (d *Dialect) named(ctx context.Context, selector string) Node {
	all := strings.Count(selector, ":") <= maxColons
	for i := 0; i <= len(selector); i++ {
		if i < len(selector) && selector[i] != ':' {
			continue
		}
		if n := below(d.cluster(ctx, selector[:i]), selector[i:], all); n != nil {
			return n
		}
		if !all {
			return nil
		}
	}
	return nil
}

// below is the level that rest, ":name:name" or "", names below n; nil if n is.
func below(n Node, rest string, all bool) Node {
	if n == nil || rest == "" {
		return n
	}
	rest = rest[1:]
	for i := 0; i <= len(rest); i++ {
		if i < len(rest) && rest[i] != ':' {
			continue
		}
		if m := below(n.Child(rest[:i]), rest[i:], all); m != nil {
			return m
		}
		if !all {
			return nil
		}
	}
	return nil
}

// dump writes levels.
type dump struct {
	d       *Dialect
	ctx     context.Context
	b       []byte
	windows []Window
	turn    queue.Turn
	err     error
}

// member begins a new line for a member of the object whose brace, or whose previous member, was written last.
func (t *dump) member(name string, depth int) {
	if t.b[len(t.b)-1] != '{' {
		t.b = append(t.b, ',')
	}
	t.b = append(t.b, '\n')
	for range depth {
		t.b = append(t.b, '\t')
	}
	t.b = edge.AppendString(t.b, name)
	t.b = append(t.b, ':')
}

// level writes a level as a member; nothing if it holds no data.
func (t *dump) level(name string, n Node, depth int) {
	t.turn.Spent(workOfLevel)
	mark := len(t.b)
	t.member(name, depth)
	t.b = append(t.b, '{')
	if !t.content(n, depth+1) {
		t.b = t.b[:mark]
		return
	}
	t.b = append(t.b, '\n')
	for range depth {
		t.b = append(t.b, '\t')
	}
	t.b = append(t.b, '}')
}

// content writes the series and the levels of n, and says whether there was anything.
func (t *dump) content(n Node, depth int) (any bool) {
	if t.err == nil {
		t.err = t.ctx.Err()
	}
	if limit := t.d.o.Answer; t.err == nil && int64(len(t.b)) > limit {
		t.err = &edge.TooLargeError{What: "answer", Limit: limit, Setting: settingAnswer}
	}
	if t.err != nil {
		return false
	}
	n.AllSeries(func(metric string, ref metricdef.Ref) bool {
		if t.series(metric, ref, depth) {
			any = true
		}
		return true
	})
	n.Children(func(name string, child Node) bool {
		mark := len(t.b)
		t.level(name, child, depth)
		any = any || len(t.b) > mark
		return t.err == nil
	})
	return any
}

// series writes the windows of a series. Their times are the edges of slots, half a step around the times of samples.
func (t *dump) series(metric string, ref metricdef.Ref, depth int) bool {
	t.windows = t.d.o.Store.Windows(t.windows[:0], ref)
	t.turn.Spent(workOfLevel)
	if len(t.windows) == 0 {
		return false
	}
	t.member(metric, depth)
	for i, w := range t.windows {
		step := w.Step / second
		start := floorDiv(w.First, second) - step/2
		t.b = append(t.b, "[,"[min(i, 1)])
		t.b = append(t.b, `{"start":`...)
		t.b = strconv.AppendInt(t.b, start, 10)
		t.b = append(t.b, `,"len":`...)
		t.b = strconv.AppendInt(t.b, int64(w.Slots), 10)
		t.b = append(t.b, `,"end":`...)
		t.b = strconv.AppendInt(t.b, start+int64(w.Slots)*step, 10)
		t.b = append(t.b, '}')
	}
	t.b = append(t.b, ']')
	return true
}
