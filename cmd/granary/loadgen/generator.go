package loadgen

import (
	"strconv"
	"time"
)

// Generator makes the lines of a cluster. It is immutable, so any number of goroutines may use it.
type Generator struct {
	c       Cluster
	perHost int
	keys    []byte // of all series, one behind the other
	ends    []int  // of each key in keys
	kinds   []Kind // of the series of one host
	units   int64  // ns of one unit of time stamps
}

// Sample is one sample as it was generated.
type Sample struct {
	Metric string
	Host   string
	Type   string // "" at the node level
	TypeID string
	Time   time.Time
	Value  float64
}

// New prepares the keys of all series.
func New(c Cluster) (*Generator, error) {
	if c.Precision == 0 {
		c.Precision = time.Second
	}
	c.Start = c.Start.Truncate(c.Precision)
	if err := c.validate(); err != nil {
		return nil, err
	}
	g := &Generator{c: c, perHost: c.perHost(), units: int64(c.Precision)}
	g.ends = make([]int, 0, c.Hosts*g.perHost)
	for h := range c.Hosts {
		for _, m := range c.Metrics {
			for i := range c.count(m.Level) {
				g.keys = appendKey(g.keys, &c, m, h, i)
				g.ends = append(g.ends, len(g.keys))
				if h == 0 {
					g.kinds = append(g.kinds, m.Kind)
				}
			}
		}
	}
	return g, nil
}

// appendKey appends measurement and tags, the tags sorted by name as collectors send them.
func appendKey(dst []byte, c *Cluster, m Metric, h, i int) []byte {
	dst = append(dst, escapeName.Replace(m.Name)...)
	dst = append(dst, ",cluster="...)
	dst = append(dst, escapeTag.Replace(c.Name)...)
	dst = append(dst, ",hostname="...)
	dst = append(dst, host(h)...)
	dst = append(dst, ",type="...)
	dst = append(dst, typeTags[m.Level]...)
	if m.Level != Node {
		dst = append(dst, ",type-id="...)
		dst = append(dst, id(m.Level, i)...)
	}
	return dst
}

// Cluster is what the generator simulates.
func (g *Generator) Cluster() Cluster { return g.c }

// Series is the number of series. They are numbered host by host.
func (g *Generator) Series() int { return len(g.ends) }

// SeriesPerHost is the number of series of each host.
func (g *Generator) SeriesPerHost() int { return g.perHost }

// Time is the time of a step.
func (g *Generator) Time(step int64) time.Time {
	return g.c.Start.Add(time.Duration(step) * g.c.Interval)
}

// Key is measurement and tags of a series as a line begins with them. The caller must not change it.
func (g *Generator) Key(series int) []byte {
	from := 0
	if series > 0 {
		from = g.ends[series-1]
	}
	return g.keys[from:g.ends[series]:g.ends[series]]
}

// Value is the value of a series at a step.
func (g *Generator) Value(series int, step int64) float64 {
	return value(g.kinds[series%g.perHost], mix(g.c.Seed^uint64(series)<<20), step)
}

// AppendLine appends the line of a series at a step, with its newline.
func (g *Generator) AppendLine(dst []byte, series int, step int64) []byte {
	dst = append(dst, g.Key(series)...)
	dst = append(dst, " value="...)
	dst = strconv.AppendFloat(dst, g.Value(series, step), 'f', -1, 64)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, g.Time(step).UnixNano()/g.units, 10)
	return append(dst, '\n')
}

// AppendLines appends the lines of the series first to first+n-1 at a step.
func (g *Generator) AppendLines(dst []byte, first, n int, step int64) []byte {
	for i := range n {
		dst = g.AppendLine(dst, first+i, step)
	}
	return dst
}

// Sample describes the sample of a series at a step.
func (g *Generator) Sample(series int, step int64) Sample {
	s := Sample{Host: host(series / g.perHost), Time: g.Time(step), Value: g.Value(series, step)}
	k := series % g.perHost
	for _, m := range g.c.Metrics {
		n := g.c.count(m.Level)
		if k < n {
			s.Metric = m.Name
			if m.Level != Node {
				s.Type, s.TypeID = typeTags[m.Level], id(m.Level, k)
			}
			break
		}
		k -= n
	}
	return s
}
