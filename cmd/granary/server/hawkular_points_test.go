package server

import (
	"net/http"
	"strings"
	"testing"

	"granary/compat/hawkular"
)

// badPoint is a point that is refused wherever it stands, and the member of which the error tells; "" for the point itself.
type badPoint struct{ point, member string }

// goodValues are values that points of a type can have.
var goodValues = map[string]string{"gauges": "1.5", "counters": "1", "availability": `"up"`, "strings": `"a"`}

// badPoints are bad points of a type.
func badPoints(typ string) (list []badPoint) {
	good := goodValues[typ]
	for _, at := range []string{`null`, `"x"`, `""`, `1.5`, `"1.5"`, `1e400`, `true`, `[1]`, `{}`, `99999999999999999999`, `9223372036854775807`, `4611686018428`, `-1`, `NaN`, `01`} {
		list = append(list, badPoint{`{"timestamp":` + at + `,"value":` + good + `}`, "timestamp"})
	}
	list = append(list, badPoint{`{"value":` + good + `}`, "timestamp"}, badPoint{`{"timestamp":1}`, "value"},
		badPoint{`{"timestamp":1,"value":` + good + `,"tags":[]}`, "tags"}, badPoint{`{"timestamp":1,"value":` + good + `,"value":` + good + `}`, "value"})
	for _, p := range []string{`null`, `1`, `[]`, `"x"`, `true`} {
		list = append(list, badPoint{p, ""})
	}
	list = append(list, badPoint{`{}`, "timestamp"})
	values := map[string][]string{
		"gauges":       {`NaN`, `"NaN"`, `Infinity`, `"Infinity"`, `-Infinity`, `1e400`, `-1e400`, `"1e400"`, `"x"`, `""`, `true`, `0x10`, `01`},
		"counters":     {`1.5`, `"1.5"`, `1e400`, `9223372036854775808`, `-9223372036854775809`, `1e19`, `"x"`, `NaN`, `false`, `01`},
		"availability": {`"sideways"`, `""`, `1`, `true`, `NaN`},
		"strings":      {`"` + strings.Repeat("x", 2049) + `"`},
	}[typ]
	for _, v := range append(values, `null`, `{}`, `[1]`) {
		list = append(list, badPoint{`{"timestamp":1,"value":` + v + `}`, "value"})
	}
	return list
}

// TestHawkularBadPoints: a body with one bad point between good ones stores nothing, makes nothing, not even its tenant, and the answer names
// the point and its member. So it is on each route that takes points.
func TestHawkularBadPoints(t *testing.T) {
	hawkularModes(t, func(t *testing.T, s *Server) {
		routes := 0
		everywhere(t, s, "bad", "", func(method, path string) {
			if method != http.MethodPost || !strings.HasSuffix(path, "/raw") && !strings.HasSuffix(path, "/data") {
				return
			}
			routes++
			path = strings.TrimPrefix(path, hawkular.Prefix)
			first, _, _ := strings.Cut(path[1:], "/")
			types := []string{first}
			if goodValues[first] == "" { // metrics or m
				types = []string{"gauges", "counters", "availability", "strings"}
			}
			for _, typ := range types {
				good := `{"timestamp":1000,"value":` + goodValues[typ] + `}`
				for _, bad := range badPoints(typ) {
					var body, place string
					switch data := `[` + good + `,` + good + `,` + bad.point + `,` + good + `]`; {
					case len(types) > 1:
						member := map[string]string{"availability": "availabilities"}[typ]
						if member == "" {
							member = typ
						}
						body, place = `{"`+member+`":[{"id":"good","data":[`+good+`]},{"id":"bad","data":`+data+`}]}`, member+"[1].data[2]"
						if typ != "gauges" { // another list in front is lost with it
							body = `{"gauges":[{"id":"good","data":[{"timestamp":1,"value":1}]}],` + body[1:]
						}
					case strings.Contains(path, "/bad/"):
						body, place = data, "[2]"
					default:
						body, place = `[{"id":"good","data":[`+good+`]},{"id":"bad","data":`+data+`}]`, "[1].data[2]"
					}
					if bad.member != "" {
						place += "." + bad.member
					}
					w := speak(s, "bad", http.MethodPost, path, body)
					if why := sane(w, http.MethodPost); w.Code != 400 || why != "" || !strings.Contains(w.Body.String(), `{"errorMsg":"`+place+`: `) {
						t.Errorf("%s %.300s: %d %.300s %s, and %s is the place", path, body, w.Code, w.Body, why, place)
					}
				}
			}
		})
		if routes < 18 {
			t.Errorf("only %d routes take points", routes)
		}
		if w := ask(s, here, "GET", "/v2/tenants", ""); w.Code != 200 || strings.Contains(w.Body.String(), `"bad"`) {
			t.Errorf("the tenant is there: %d %s", w.Code, w.Body)
		}
	})
}
