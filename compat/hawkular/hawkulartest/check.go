package hawkulartest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// check says what of an answer is not as expected.
func (s *Step) check(w words, status int, header http.Header, body []byte) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if status != s.Status {
		fault("the status is %d, not %d", status, s.Status)
		return faults
	}
	if (s.Empty || status == http.StatusNoContent) && len(body) > 0 {
		fault("there is a body")
	}
	if at := header.Get("Location"); !endsIn(at, w.put(s.Location)) {
		fault("Location is %q, and should end in %q", at, s.Location)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Answers)) {
		if got, want := header.Get(name), w.put(s.Answers[name]); got != want {
			fault("%s is %q, not %q", name, got, want)
		}
	}
	for _, m := range s.Matches {
		if re, err := regexp.Compile(w.put(m)); err != nil || !re.Match(body) {
			fault("the body does not match %s (%v)", m, err)
		}
	}
	if !s.looks() {
		return faults
	}
	var got any
	if err := json.Unmarshal(body, &got); err != nil {
		fault("the body is no JSON: %v", err)
		return faults
	}
	for _, why := range s.compare(w, got) {
		fault("%s", why)
	}
	return faults
}

// endsIn says whether a path ends in another, whatever the spelling of their elements is.
func endsIn(path, end string) bool {
	elements, last := strings.Split(path, "/"), strings.Split(end, "/")
	if end == "" {
		return true
	}
	if len(elements) < len(last) {
		return false
	}
	return slices.EqualFunc(elements[len(elements)-len(last)+1:], last[1:], func(x, y string) bool {
		a, err := url.PathUnescape(x)
		b, err2 := url.PathUnescape(y)
		return err == nil && err2 == nil && a == b
	})
}

// looks says whether something is expected of the body.
func (s *Step) looks() bool {
	return s.Equals != nil || s.Contains != nil || s.Element != nil || s.Shape != nil || s.Has != nil || s.Lacks != nil || s.Length != nil || s.Members != nil ||
		s.IDs != nil || s.SomeIDs != nil || s.Set != nil || s.Sets != nil || s.Keys != nil || s.At != nil || s.Absent != nil || s.Rising != "" || s.Falling != ""
}

func (s *Step) compare(w words, got any) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	object, _ := got.(map[string]any)
	list, _ := got.([]any)
	if want := s.Equals; want != nil && !equal(w.value(want), got) {
		fault("should be %s", w.put(string(want)))
	}
	if want := s.Contains; want != nil && !contains(w.value(want), got) {
		fault("should hold %s", w.put(string(want)))
	}
	if want := s.Element; want != nil && !slices.ContainsFunc(list, func(e any) bool { return equal(w.value(want), e) }) {
		fault("should have the element %s", w.put(string(want)))
	}
	if want := s.Shape; want != nil {
		if why := shape(w.value(want), got, "the body"); why != "" {
			fault("%s", why)
		}
	}
	for _, name := range s.Has {
		if _, ok := object[name]; !ok {
			fault("has no member %q", name)
		}
	}
	for _, name := range s.Lacks {
		if _, ok := object[name]; ok || object == nil {
			fault("has the member %q, or is no object", name)
		}
	}
	if s.Length != nil && (list == nil || len(list) != *s.Length) {
		fault("has %d elements, not %d", len(list), *s.Length)
	}
	if s.Members != nil && (object == nil || len(object) != *s.Members) {
		fault("has %d members, not %d", len(object), *s.Members)
	}
	ids := texts(list, "id")
	if s.IDs != nil && !slices.Equal(sorted(s.IDs), ids) {
		fault("the ids are %q, not %q", ids, s.IDs)
	}
	for _, id := range s.SomeIDs {
		if !slices.Contains(ids, id) {
			fault("the ids are %q, and not %q", ids, id)
		}
	}
	if s.Set != nil && !slices.Equal(sorted(s.Set), texts(list, "")) {
		fault("the elements should be %q", s.Set)
	}
	if s.Sets != nil {
		same := len(s.Sets) == len(object)
		for name, want := range s.Sets {
			of, _ := object[name].([]any)
			same = same && slices.Equal(sorted(want), texts(of, ""))
		}
		if !same {
			fault("should be, in any order, %q", s.Sets)
		}
	}
	if s.Keys != nil {
		same := len(s.Keys) == len(object)
		for name, want := range s.Keys {
			of, _ := object[name].(map[string]any)
			same = same && slices.Equal(sorted(want), slices.Sorted(maps.Keys(of)))
		}
		if !same {
			fault("the members and their members should be %q", s.Keys)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(s.At)) {
		if v, ok := at(got, path); !ok || !equal(w.value(s.At[path]), v) {
			fault("at %s is %v, not %s", path, v, s.At[path])
		}
	}
	for path, names := range s.Absent {
		v, ok := at(got, path)
		of, _ := v.(map[string]any)
		for _, name := range names {
			if _, there := of[name]; there || !ok {
				fault("at %s there is %q, or nothing", path, name)
			}
		}
	}
	if s.Rising != "" && !ordered(list, s.Rising, 1) {
		fault("does not rise by %q", s.Rising)
	}
	if s.Falling != "" && !ordered(list, s.Falling, -1) {
		fault("does not fall by %q", s.Falling)
	}
	return faults
}

// value is an expectation with the present in place of its words.
func (w words) value(text json.RawMessage) (v any) {
	if err := json.Unmarshal([]byte(w.put(string(text))), &v); err != nil {
		panic(err) // it has been read as JSON before
	}
	return v
}

func equal(want, got any) bool {
	switch want := want.(type) {
	case float64:
		n, ok := got.(float64)
		return ok && math.Abs(want-n) <= 1e-3
	case []any:
		list, ok := got.([]any)
		return ok && slices.EqualFunc(want, list, equal)
	case map[string]any:
		object, ok := got.(map[string]any)
		return ok && maps.EqualFunc(want, object, equal)
	}
	return want == got
}

func contains(want, got any) bool {
	switch want := want.(type) {
	case []any:
		list, ok := got.([]any)
		for _, e := range want {
			ok = ok && slices.ContainsFunc(list, func(one any) bool { return contains(e, one) })
		}
		return ok
	case map[string]any:
		object, ok := got.(map[string]any)
		for name, v := range want {
			has, there := object[name]
			ok = ok && there && contains(v, has)
		}
		return ok
	}
	return equal(want, got)
}

// shape says where a value is not like its pattern.
func shape(want, got any, place string) string {
	ok := false
	switch want {
	case "<number>":
		_, ok = got.(float64)
	case "<text>":
		_, ok = got.(string)
	case "<boolean>":
		_, ok = got.(bool)
	default:
		switch want := want.(type) {
		case []any:
			list, is := got.([]any)
			if !is || len(list) == 0 && len(want) > 0 {
				return place + " is no list, or has no element"
			}
			for i, e := range list {
				if len(want) == 0 {
					return place + " has elements"
				}
				if why := shape(want[min(i, len(want)-1)], e, place+"["+strconv.Itoa(i)+"]"); why != "" {
					return why
				}
			}
			return ""
		case map[string]any:
			object, is := got.(map[string]any)
			if !is {
				return place + " is no object"
			}
			for name, v := range want {
				has, there := object[name]
				if !there {
					return place + " has no " + name
				}
				if why := shape(v, has, place+"."+name); why != "" {
					return why
				}
			}
			return ""
		}
		ok = equal(want, got)
	}
	if !ok {
		return fmt.Sprintf("%s is %v, not %v", place, got, want)
	}
	return ""
}

// at finds what lies at a path of members and indexes with dots between them.
func at(v any, path string) (any, bool) {
	for path != "" {
		var part string
		part, path, _ = strings.Cut(path, ".")
		switch of := v.(type) {
		case map[string]any:
			has, ok := of[part]
			if !ok {
				return nil, false
			}
			v = has
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(of) {
				return nil, false
			}
			v = of[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// texts are the texts of a list, or those of one member of its elements, sorted.
func texts(list []any, member string) []string {
	var all []string
	for _, e := range list {
		if of, ok := e.(map[string]any); ok {
			e = of[member]
		}
		text, ok := e.(string)
		if !ok {
			text = fmt.Sprintf("%v, which is no text", e)
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// ordered says whether a number of each element is larger (sign 1) or smaller (-1) than that of the one before.
func ordered(list []any, member string, sign float64) bool {
	numbers := make([]float64, len(list))
	for i, e := range list {
		of, _ := e.(map[string]any)
		n, ok := of[member].(float64)
		if !ok || i > 0 && (n-numbers[i-1])*sign <= 0 {
			return false
		}
		numbers[i] = n
	}
	return true
}
