package native

import (
	"math"
	"unsafe"

	"granary/api/edge/scan"
	"granary/measures"
	"granary/metricdef"
	"granary/tenant/queue"
)

// The fast way through a body of measures. It takes items whose text up to "samples":[ is that of a known metric, byte for
// byte, with samples in the shapes that programs write. For all else it says no, and the strict way reads the item from its
// beginning: what is wrong is found there and nowhere else.

// columns are the samples of one item.
type columns struct {
	kind   metricdef.Kind
	times  []int64
	values []float64 // as in a measures.Batch
	texts  []string  // of KindText, as many as times
	tags   []pointTags
	at     []int32 // which of the item's samples each is; nil: all of them, in order
	turn   *queue.Turn
}

// Long lists go in turns with the work of others: samplesInTurn of them are about workUnit bytes.
const (
	samplesInTurn = 1024
	workUnit      = 24 * samplesInTurn
)

// pointTags are the tags of the sample in a row.
type pointTags struct {
	row  int
	text string
}

func (c *columns) reset(kind metricdef.Kind) {
	c.kind = kind
	c.times, c.values, c.at = c.times[:0], c.values[:0], nil
	clear(c.texts)
	clear(c.tags)
	c.texts, c.tags = c.texts[:0], c.tags[:0]
}

// scan reads the samples of a list from behind its bracket, to behind the other one.
func (c *columns) scan(b []byte, i int) (end int, ok bool) {
	i = scan.Space(b, i)
	if i < len(b) && b[i] == ']' {
		return i + 1, true
	}
	for {
		if i, ok = c.one(b, i); !ok {
			return i, false
		}
		if len(c.times)%samplesInTurn == 0 {
			c.turn.Spent(workUnit * workOfByte)
		}
		if i < len(b) && b[i] != ',' {
			i = scan.Space(b, i)
		}
		switch {
		case i >= len(b):
			return i, false
		case b[i] == ']':
			return i + 1, true
		case b[i] != ',':
			return i, false
		}
		if i++; i < len(b) && b[i] != '[' {
			i = scan.Space(b, i)
		}
	}
}

const timeMember = `{"time":`

// one reads one sample: [time, value], or {"time": time, "value": value} with its members in this order.
func (c *columns) one(b []byte, i int) (end int, ok bool) {
	if i >= len(b) {
		return i, false
	}
	if b[i] == '[' {
		t, i, ok := c.time(b, scan.Space(b, i+1))
		if i = scan.Space(b, i); !ok || i >= len(b) || b[i] != ',' {
			return i, false
		}
		i, ok = c.value(b, scan.Space(b, i+1), t)
		if i = scan.Space(b, i); !ok || i >= len(b) || b[i] != ']' {
			return i, ok && c.undo()
		}
		return i + 1, true
	}
	if len(b)-i < len(timeMember) || string(b[i:i+len(timeMember)]) != timeMember {
		return i, false
	}
	t, i, ok := c.time(b, scan.Space(b, i+len(timeMember)))
	if i = scan.Space(b, i); !ok || i >= len(b) || b[i] != ',' {
		return i, false
	}
	i = scan.Space(b, i+1)
	if len(b)-i < 8 || string(b[i:i+8]) != `"value":` {
		return i, false
	}
	i, ok = c.value(b, scan.Space(b, i+8), t)
	if i = scan.Space(b, i); !ok || i >= len(b) || b[i] != '}' {
		return i, ok && c.undo()
	}
	return i + 1, true
}

// undo takes back the sample that was added last, which is followed by what it must not be. It is false.
func (c *columns) undo() bool {
	n := len(c.times) - 1
	c.times, c.values = c.times[:n], c.values[:n]
	if c.kind == metricdef.KindText {
		c.texts = c.texts[:n]
	}
	return false
}

// time reads a whole number that is not negative, whose size tells its unit as edge.ParseTime has it.
func (*columns) time(b []byte, i int) (t int64, end int, ok bool) {
	m, end, ok := scan.Uint(b, i)
	if !ok {
		return 0, end, false
	}
	unit := uint64(1)
	switch {
	case m < 1e11:
		unit = 1e9
	case m < 1e14:
		unit = 1e6
	case m < 1e17:
		unit = 1e3
	}
	return int64(m * unit), end, m <= math.MaxInt64/unit
}

// value reads a value of the kind and adds the sample.
func (c *columns) value(b []byte, i int, t int64) (end int, ok bool) {
	if i >= len(b) {
		return i, false
	}
	var v float64
	switch c.kind {
	case metricdef.KindFloat:
		if v, end, ok = scan.Float(b, i); !ok {
			return end, false
		}
	case metricdef.KindInt:
		var n int64
		if n, end, ok = scan.Int(b, i); !ok {
			return end, false
		}
		v = measures.IntWord(n)
	case metricdef.KindState, metricdef.KindText:
		var s []byte
		if s, end, ok = scan.Text(b, i); !ok {
			return end, false
		}
		if c.kind == metricdef.KindText {
			c.texts = append(c.texts, string(s))
			break
		}
		state, err := metricdef.ParseState(unsafe.String(unsafe.SliceData(s), len(s)))
		if err != nil {
			return end, false
		}
		v = float64(state)
	default:
		return i, false
	}
	c.times, c.values = append(c.times, t), append(c.values, v)
	return end, true
}

// header finds the end of the text that names a metric: from the bracket of an object at b[i:] to behind the bracket of its
// list of samples. It takes an object whose other members are texts, or objects of texts. It says where samples begin,
// not that what stands before them is right.
func header(b []byte, i int) (end int, ok bool) {
	if i >= len(b) || b[i] != '{' {
		return i, false
	}
	for i++; ; i++ {
		name, j, ok := scan.Text(b, min(scan.Space(b, i), len(b)-1))
		if j = scan.Space(b, j); !ok || j >= len(b) || b[j] != ':' {
			return j, false
		}
		j = scan.Space(b, j+1)
		switch {
		case j >= len(b):
			return j, false
		case string(name) == "samples":
			return j + 1, b[j] == '['
		case b[j] == '{':
			for j++; j < len(b) && b[j] != '}'; j++ {
				if b[j] == '{' || b[j] == '[' {
					return j, false
				}
				if b[j] == '"' {
					if _, j, ok = scan.Text(b, j); !ok {
						return j, false
					}
					j--
				}
			}
			j++
		default:
			if _, j, ok = scan.Text(b, j); !ok {
				return j, false
			}
		}
		if i = scan.Space(b, j); i >= len(b) || b[i] != ',' {
			return i, false
		}
	}
}
