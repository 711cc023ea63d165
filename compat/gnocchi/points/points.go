package points

import (
	"fmt"
	"sort"
	"time"

	"github.com/google/uuid"

	"granary/compat/gnocchi/when"
	"granary/tenant/queue"
)

// LastTime is the last time that can be stored, in nanoseconds since 1970.
const LastTime = 1<<62 - 1

// MaxLists is how many lists of measures a body may have: of empty ones there could be millions.
const MaxLists = 1 << 19

// Points are the measures of one body, in the order of the body, as columns.
type Points struct {
	Lists  []List
	Times  []int64 // nanoseconds since 1970 UTC
	Values []float64

	resources []part
	body      []byte
	own       []byte // texts that are not in the body as they are
}

// List is one list of measures, which may have none. A metric may have several.
type List struct {
	ID       uuid.UUID // of the metric, in a body by metrics
	Resource int       // the number of its resource, in a body by resources
	// Policy and Unit are for a metric that is not there; "" if they are not given. In a body by resources only.
	Policy, Unit string

	first    int32
	at, size int32 // of its text in the body
	name     part
}

// part is a text of the body, or of Points.own.
type part struct {
	from, size int32
	owned      bool
}

func (p *Points) text(t part) []byte {
	from := p.body
	if t.owned {
		from = p.own
	}
	return from[t.from : t.from+t.size]
}

// Name is what the body calls the metric of a list: in one by metrics its id as it is written there, in one by resources its name. It is
// valid as long as the body and until the decoder reads another one.
func (p *Points) Name(list int) []byte { return p.text(p.Lists[list].name) }

// NumResources is how many resources a body names. One may come more than once.
func (p *Points) NumResources() int { return len(p.resources) }

// Resource is what the body calls a resource. It is valid as long as Name is.
func (p *Points) Resource(number int) []byte { return p.text(p.resources[number]) }

// Rows are the rows of a list: from its first one to the one behind its last.
func (p *Points) Rows(list int) (from, to int) {
	to = len(p.Times)
	if list+1 < len(p.Lists) {
		to = int(p.Lists[list+1].first)
	}
	return int(p.Lists[list].first), to
}

// ListOf is the list of a row.
func (p *Points) ListOf(row int) int {
	return sort.Search(len(p.Lists), func(l int) bool { return int(p.Lists[l].first) > row }) - 1
}

// Size is how many bytes of the body a list takes.
func (p *Points) Size(list int) int64 { return int64(p.Lists[list].size) }

// Path is the place of a row in the body, as errors name places.
func (p *Points) Path(row int) string {
	l := p.ListOf(row)
	list := &p.Lists[l]
	at := ""
	if len(p.resources) > 0 {
		at = fmt.Sprintf("[%q]", p.Resource(list.Resource))
	}
	if list.name.size > 0 || at != "" {
		at += fmt.Sprintf("[%q]", p.Name(l))
	}
	return fmt.Sprintf("data%s[%d]", at, row-int(list.first))
}

// Decoder reads bodies, one after the other. It keeps its memory.
type Decoder struct {
	Points
	now  time.Time
	turn *queue.Turn

	depth  int         // in how many lists and objects a list of measures lies
	format when.Format // of the times of the list
	fixed  bool        // by its first measure
	fault  fault       // of the list

	scratch []byte
	paced   int // up to where the work is paid for
	strict  int // bytes behind it that the slow way has read
}

// Begin empties the decoder for measures that come in another form than JSON, which List and Add then bring in.
func (d *Decoder) Begin() { d.reset(nil) }

// List begins a list of measures that take so many bytes of what came. The name is how errors call it. It is false, and nothing is begun,
// if there are MaxLists.
func (d *Decoder) List(name string, size int) bool {
	if len(d.Lists) == MaxLists {
		return false
	}
	from := len(d.own)
	d.own = append(d.own, name...)
	d.Lists = append(d.Lists, List{first: int32(len(d.Times)), size: int32(size), name: part{int32(from), int32(len(name)), true}})
	return true
}

// Add adds a measure to the list that was begun last. REQUIRES: 0 <= t <= LastTime.
func (d *Decoder) Add(t int64, v float64) {
	d.Times, d.Values = append(d.Times, t), append(d.Values, v)
}

// keepRows is how many rows of memory are kept from one body to the next.
const keepRows = 1 << 17

// Reset lets go of the body.
func (d *Decoder) Reset() {
	d.reset(nil)
	d.turn = nil
}

func (d *Decoder) reset(body []byte) {
	p := &d.Points
	if cap(p.Times) > keepRows || cap(p.Lists) > keepRows || cap(p.own) > keepRows || cap(p.resources) > keepRows {
		*p = Points{}
	}
	clear(p.Lists)
	*p = Points{Lists: p.Lists[:0], Times: p.Times[:0], Values: p.Values[:0], resources: p.resources[:0], own: p.own[:0], body: body}
	d.paced, d.strict = 0, 0
	if cap(d.scratch) > keepRows {
		d.scratch = nil
	}
}
