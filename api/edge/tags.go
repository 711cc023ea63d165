package edge

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"granary/metricdef"
)

// AppendTags sorts the tags of a sample by name and appends them in the one form in which they are stored: an object without
// white space. Nothing is appended if there are none.
func AppendTags(dst []byte, tags []metricdef.Tag) ([]byte, error) {
	if len(tags) == 0 {
		return dst, nil
	}
	slices.SortStableFunc(tags, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	var err error
	next := byte('{')
	for i := range tags {
		dst = append(dst, next)
		if dst, err = jsontext.AppendQuote(dst, tags[i].Name); err != nil {
			return nil, err
		}
		dst = append(dst, ':')
		if dst, err = jsontext.AppendQuote(dst, tags[i].Value); err != nil {
			return nil, err
		}
		next = ','
	}
	return append(dst, '}'), nil
}
