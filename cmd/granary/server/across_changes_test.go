package server

import (
	"fmt"
	"maps"
	"slices"
)

// tagger changes the tags of a metric: plain ones come and go, and what it is by, or what others say of it, stays.
type tagger struct {
	name   string
	strict bool // as of a look
	tag    func(b *across, x *thing)
}

var taggers = []tagger{{"native", false, tagNative}, {"Hawkular", true, tagHawkular}, {"Gnocchi, its resource", false, tagResource}}

func tagNative(b *across, x *thing) {
	at := "/v2/metrics/" + x.id
	b.ask("PATCH", at, `{"plain_tags":{"owner":"me"}}`, 200)
	b.tagged(x, func() { b.ask("PATCH", at, `{"plain_tags":{"owner":null}}`, 200) })
	for _, k := range slices.Sorted(maps.Keys(x.tags)) {
		b.ask("PATCH", at, fmt.Sprintf(`{"tags":{%q:"other"}}`, k), 409)
		b.ask("PATCH", at, fmt.Sprintf(`{"plain_tags":{%q:"other"}}`, k), 409)
		b.ask("PATCH", at, fmt.Sprintf(`{"plain_tags":{%q:null}}`, k), 409)
	}
	for _, k := range slices.Sorted(maps.Keys(x.derived)) {
		b.ask("PATCH", at, fmt.Sprintf(`{"plain_tags":{%q:"other"}}`, k), 409)
	}
	readNative(b, x)
}

func tagHawkular(b *across, x *thing) {
	b.hawkular("PUT", x.typ, x.key(), "/tags", `{"owner":"me"}`, 200)
	b.tagged(x, func() { b.hawkular("DELETE", x.typ, x.key(), "/tags/owner", "", 200) })
	kept := maps.Clone(x.tags)
	if kept == nil {
		kept = map[string]string{}
	}
	maps.Copy(kept, x.derived)
	for _, k := range slices.Sorted(maps.Keys(kept)) {
		b.hawkular("PUT", x.typ, x.key(), "/tags", fmt.Sprintf(`{%q:"other"}`, k), 409)
		b.hawkular("DELETE", x.typ, x.key(), "/tags/"+k, "", 409)
	}
	readNative(b, x)
}

// tagResource changes what the resource says, and by that the tags that find its metrics.
func tagResource(b *across, x *thing) {
	was, ok := x.derived["hostname"]
	if !ok {
		return
	}
	for _, host := range []string{"h9", was} {
		b.ask("PATCH", "/v1/resource/machine/"+x.resource, fmt.Sprintf(`{"hostname":%q}`, host), 200)
		x.derived["hostname"] = host
		b.run(host, func() { b.seen(x) })
	}
}

// tagged holds a metric that has the plain tag owner=me against what all show of it, lets the tag be taken away, and does so again.
func (b *across) tagged(x *thing, takeAway func()) {
	x.plain["owner"] = "me"
	b.run("there", func() { b.seen(x) })
	takeAway()
	delete(x.plain, "owner")
	b.run("gone", func() {
		b.glanced(x)
		if list := b.found("", "owner", "me"); len(list) > 0 {
			b.t.Errorf("it is found by a tag that it has no more: %+v", list)
		}
	})
}

// deleter deletes a metric through one dialect. It is false where that dialect does not see it, and so leaves it alone.
type deleter struct {
	name   string
	strict bool // as of a look
	remove func(b *across, x *thing) bool
}

var deleters = []deleter{
	{"native, its id", false, func(b *across, x *thing) bool {
		b.ask("DELETE", "/v2/metrics/"+x.id, "", 204)
		return true
	}},
	{"native, its name", false, func(b *across, x *thing) bool {
		b.ask("POST", "/v2/metrics/delete", fmt.Sprintf(`{"name":%q}`, x.name), 200)
		return true
	}},
	{"native, its tenant", false, func(b *across, x *thing) bool { // all others are of cells that are done with
		b.ask("DELETE", "/v2/tenants/_ops", "", 202)
		return true
	}},
	{"Hawkular", true, func(b *across, x *thing) bool {
		b.hawkular("DELETE", x.typ, x.key(), "", "", 200)
		return true
	}},
	{"Gnocchi, the metric", false, func(b *across, x *thing) bool {
		status := 204
		if !x.numeric() {
			status = 404
		}
		b.ask("DELETE", "/v1/metric/"+x.id, "", status)
		return x.numeric()
	}},
	{"Gnocchi, its resource", false, func(b *across, x *thing) bool {
		if x.resource == "" {
			return false
		}
		b.ask("DELETE", "/v1/resource/generic/"+x.resource, "", 204)
		return true
	}},
}
