package line

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant"
)

// now is the time of all tests: 2025-01-01 01:00:00.25 UTC.
var now = time.Unix(1735693200, 250e6)

func clock() time.Time { return now }

// registry is a Resolver, and commits batches as the store does: it makes what drafts ask for.
type registry struct {
	mu   sync.Mutex
	refs map[string]metricdef.Ref
	keys []string // by ref
}

func newRegistry() *registry {
	return &registry{refs: make(map[string]metricdef.Ref), keys: []string{""}}
}

func appendName(dst []byte, t tenant.Num, typ metricdef.Type, key []byte) []byte {
	dst = append(strconv.AppendUint(dst, uint64(t), 10), '/')
	dst = append(strconv.AppendUint(dst, uint64(typ), 10), '/')
	return append(dst, key...)
}

func (r *registry) Resolve(t tenant.Num, typ metricdef.Type, key []byte) (metricdef.Ref, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var buf [256]byte
	ref, ok := r.refs[string(appendName(buf[:0], t, typ, key))]
	return ref, ok
}

func (r *registry) commit(b *measures.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range b.Drafts {
		f := &b.Drafts[i]
		if err := f.Def.Validate(); err != nil {
			panic(err)
		}
		key := string(appendName(nil, f.Def.Tenant, f.Def.Type, metricdef.AppendKey(nil, f.Def.Name, f.Def.Tags)))
		ref, ok := r.refs[key]
		if !ok {
			ref = metricdef.Ref(len(r.keys))
			r.keys = append(r.keys, key)
			r.refs[key] = ref
		}
		if b.Refs[f.At] != 0 {
			panic("draft of a row that has a ref")
		}
		b.Refs[f.At], f.Ref = ref, ref
	}
}

func (r *registry) key(ref metricdef.Ref) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[ref]
}

// end removes a definition.
func (r *registry) end(ref metricdef.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.refs, r.keys[ref])
}

var metrics = map[string]bool{
	"cpu_load": true, "cpu_user": true, "flops_any": true, "mem_bw": true, "mem_used": true, "net_bw": true, "temp": true, "load10": true, "möte": true,
}

// cockpit is the mapping of most tests: everything goes to tenant 1, but cluster "second" to tenant 2.
func cockpit() *ClusterCockpit {
	return &ClusterCockpit{
		Known: func(m string) bool { return metrics[m] },
		Tenant: func(cluster string) (tenant.Num, error) {
			switch cluster {
			case "second":
				return 2, nil
			case "closed":
				return 0, fmt.Errorf("tenant of %s is closed", strings.Clone(cluster))
			}
			return 1, nil
		},
		Limits: Bounds{Past: 100 * 24 * time.Hour, Future: 10 * time.Minute},
	}
}

// typed is cockpit with fields of all kinds.
type typed struct{ *ClusterCockpit }

func (typed) Typed() {}

func (t typed) AppendScope(dst []byte) []byte {
	return append(t.ClusterCockpit.AppendScope(dst), " typed"...)
}

// told is everything that decoding a body tells.
type told struct {
	samples   []string
	lines     int
	ignored   [measures.NumReasons]int
	malformed int
	first     string
	err       string
}

// decode runs a body through d as a writer does.
func decode(d *Decoder, r *registry, m Mapping, body string) (x told) {
	if err := d.Begin(m, []byte(body)); err != nil {
		panic(err)
	}
	defer d.End()
	for {
		more, err := d.Decode()
		for _, p := range d.Parts() {
			if len(p.at) != len(p.Batch.Refs) {
				panic("rows and lines differ")
			}
			r.commit(&p.Batch)
			for i, ref := range p.Batch.Refs {
				key := r.key(ref)
				sample := fmt.Sprintf("%s %v %d", key, p.Batch.Values[i], p.Batch.Times[i])
				for _, text := range p.Batch.Texts {
					if text.Row == i {
						sample = fmt.Sprintf("%s %q %d", key, text.Text, p.Batch.Times[i])
					}
				}
				x.samples = append(x.samples, sample)
				if !strings.HasPrefix(key, fmt.Sprintf("%d/", p.Tenant)) {
					panic("sample in another tenant's part")
				}
			}
			d.Done(p)
		}
		if err != nil {
			x.err = err.Error()
		}
		if !more {
			break
		}
	}
	t := d.Tally()
	if t.Predicted+t.LookedUp+t.Parsed != t.Lines {
		panic(fmt.Sprintf("%+v does not add up", t))
	}
	x.lines, x.ignored, x.malformed = t.Lines, t.Ignored, t.Malformed
	if t.First != nil {
		x.first = fmt.Sprintf("%d %q %s", t.First.Line, t.First.Text, t.First.Reason)
	}
	return x
}

func (x told) ignoredText() string {
	var parts []string
	for r, n := range x.ignored {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%v=%d", measures.Reason(r), n))
		}
	}
	return strings.Join(parts, " ")
}

// workload makes bodies like those of an HPC cluster: 30 node metrics and 4 of each of 16 threads for every host.
func workload(hosts, lines int, ts int64) (keys []string, body []byte) {
	host := 0
	for host < hosts {
		for m := range 30 {
			keys = append(keys, fmt.Sprintf("node_metric_%02d,cluster=alex,hostname=n%04d,type=node value=", m, host))
		}
		for m := range 64 {
			keys = append(keys, fmt.Sprintf("thread_metric_%d,cluster=alex,hostname=n%04d,type=hwthread,type-id=%d value=", m%4, host, m/4))
		}
		host++
	}
	values := []string{"51.03947562839471", "12.34", "1073741824", "0", "95.12345678901234", "100", "0.123456789", "733.25"}
	for i := range lines {
		body = fmt.Appendf(body, "%s%s %d\n", keys[i%len(keys)], values[i%len(values)], ts)
	}
	return keys, body
}

func open(t testing.TB, o Options) (*Decoder, *registry) {
	t.Helper()
	if o.Now == nil {
		o.Now = clock
	}
	r := newRegistry()
	return NewDecoder(r, o), r
}
