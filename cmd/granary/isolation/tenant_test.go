package isolation_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// party is a tenant with all that is known of it: what it has made, and what of the other's it has been told.
type party struct {
	id      string // of the tenant
	cluster string // that the mapping gives it
	mark    string // stands in everything that it makes up
	other   *party // of whom it has been told something
	rng     *rand.Rand

	pools map[string][]string // that it has used
	exist map[string][]string // that it has seen in answers
	sent  []*request          // that were answered with success, the newest last, without what says who asks
	told  map[string]bool     // marked words of the other
	made  int

	credentials []credential
	all         bool    // it may see everything
	base        float64 // its values are near it
}

func newParty(id, cluster, mark string, seed uint64, base float64) *party {
	return &party{id: id, cluster: cluster, mark: mark, rng: rand.New(rand.NewPCG(seed, uint64(len(mark))+uint64(mark[len(mark)-1]))),
		pools: map[string][]string{}, exist: map[string][]string{}, told: map[string]bool{}, base: base}
}

// marked finds the words that somebody has made up.
var marked = regexp.MustCompile(`zq(a|b1|b2|g)x[0-9a-z]{6}`)

// word makes up a word that nobody else has. Its length is always the same, so that what is left of one that was cut is none.
func (p *party) word() string {
	p.made++
	return fmt.Sprintf("%sx%06s", p.mark, strconv.FormatInt(int64(p.made), 36))
}

// shared are names that everybody uses.
var shared = map[string][]string{
	"metric":    {"cpu", "load", "requests", "web"},
	"tag":       {"host", "dc", "hostname", "cluster", "type"},
	"tagvalue":  {"h1", "h2", "a"},
	"policy":    {"default", "low", "own", "bool"},
	"rule":      {"own", "r1"},
	"host":      {"h1", "h2"},
	"gname":     {"cpu", "load"},
	"gpolicy":   {"low", "medium"},
	"gtype":     {"generic", "prometheus"},
	"gresource": {"host1", "1e3d5702-2cbf-46e0-ba13-0ddaa3c71150"},
	"hawkular":  {"cpu", "load", "requests", `cpu{host="h1"}`},
}

// keep remembers a thing that there may be.
func (p *party) keep(kind, v string) {
	const most = 40
	list := p.pools[kind]
	if slices.Contains(list, v) {
		return
	}
	if len(list) >= most {
		list[p.rng.IntN(most)] = v
		return
	}
	p.pools[kind] = append(list, v)
}

// find remembers a thing that there is. What is found again comes to the front, and the last one goes.
func (p *party) find(kind, v string) {
	const most = 12
	if kind == "policy" && (strings.HasPrefix(v, spare) || p.all && strings.HasPrefix(v, "gpolicy")) {
		return // see spare
	}
	list := slices.DeleteFunc(p.exist[kind], func(x string) bool { return x == v })
	p.exist[kind] = slices.Insert(list, 0, v)
	p.exist[kind] = p.exist[kind][:min(len(p.exist[kind]), most)]
}

// pick gives a thing of a kind: usually one of its own, sometimes a new one, one that all have, or one of the other's.
func (g *gen) pick(kind string) string {
	p := g.p
	fresh := func() string {
		v := g.fresh(kind)
		p.keep(kind, v)
		return v
	}
	n := p.rng.IntN(100)
	if g.foreign > n && p.other != nil && len(p.other.pools[kind]) > 0 {
		v := p.other.pools[kind][p.rng.IntN(len(p.other.pools[kind]))]
		p.learn(v)
		return v
	}
	own := p.pools[kind]
	if exist := p.exist[kind]; len(exist) > 0 && p.rng.IntN(5) < 3 {
		own = exist
	}
	switch n = p.rng.IntN(100); {
	case n < 65 && len(own) > 0:
		return own[p.rng.IntN(len(own))]
	case n < 85 && len(shared[kind]) > 0:
		return shared[kind][p.rng.IntN(len(shared[kind]))]
	}
	return fresh()
}

// fresh makes up a thing of a kind.
func (g *gen) fresh(kind string) string {
	p := g.p
	switch kind {
	case "id", "gmetric", "opsmetric":
		return fmt.Sprintf("%08x-0000-5000-8000-%012x", p.rng.Uint32(), p.rng.Uint64()>>16)
	case "key":
		return (p.word() + "000")[:12]
	case "cursor":
		return "-Q" + p.word() // before all ids of keys, which are random and not the same in both worlds
	case "metric", "hawkular":
		return "m_" + p.word()
	case "tag":
		return "t_" + p.word()
	case "host", "cluster", "tagvalue":
		return "h" + p.word()
	case "tenant":
		return "tenant-" + p.word()
	}
	return kind + "-" + p.word()
}

// learn says that the tenant knows the marked words of a text from now on.
func (p *party) learn(text string) {
	for _, w := range marked.FindAllString(text, -1) {
		if !strings.HasPrefix(w, p.mark+"x") {
			p.told[w] = true
		}
	}
}

// sees says whether the tenant may see everything.
func (p *party) sees() bool { return p != nil && p.all }

// leaks are the marked words of others in a text of which the tenant was never told. What operators make for all is nobody's.
func (p *party) leaks(text string) (list []string) {
	for _, w := range marked.FindAllString(text, -1) {
		if !p.all && !strings.HasPrefix(w, p.mark+"x") && !strings.HasPrefix(w, "zqg") && !p.told[w] && !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}
