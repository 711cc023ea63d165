package source

import (
	"strings"
	"testing"
)

// sound looks at what every answer has to be.
func sound(t *testing.T, a *Answer, err error, size int) {
	t.Helper()
	if (a == nil) == (err == nil) {
		t.Fatalf("%v and %v", a, err)
	}
	if a == nil {
		return
	}
	if len(a.Samples) > size {
		t.Fatalf("%d samples of %d bytes", len(a.Samples), size)
	}
	for _, s := range a.Samples {
		if !s.Timed && s.Time != 0 {
			t.Fatalf("%+v", s)
		}
	}
}

func FuzzPrometheus(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1435781451.781,"1"]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]},"warnings":["w"]}`))
	f.Add([]byte(`{"status":"error","errorType":"bad_data","error":"x"}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":null,"value":null,"histogram":[]}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := readPrometheus(200, body)
		sound(t, a, err, len(body))
	})
}

func FuzzInfluxQL(f *testing.F) {
	f.Add([]byte(`{"results":[{"series":[{"name":"s","tags":{"host":"a"},"columns":["time","last"],"values":[[1,1.5],[null,null]]}]}]}`), "")
	f.Add([]byte(`{"results":[{"series":[{"columns":["time","host","v"],"values":[[1,{},1],[1,[],1]]}]}]}`), "v")
	f.Add([]byte(`{"results":[{"error":"x"}]}`), "")
	f.Fuzz(func(t *testing.T, body []byte, column string) {
		a, err := readInfluxQL(200, body, Query{Column: column, Used: []string{"host"}})
		sound(t, a, err, len(body))
	})
}

func FuzzFlux(f *testing.F) {
	f.Add([]byte(annotated), "")
	f.Add([]byte(strings.ReplaceAll(annotated, "\n", "\r\n")), "")
	f.Add([]byte("#datatype,string,long\n,error,reference\n,Failed to parse query,897\n"), "")
	f.Add([]byte(",result,table,host,load\n,,0,a,\"1\n2\"\n"), "load")
	f.Fuzz(func(t *testing.T, body []byte, column string) {
		a, err := readFlux(200, body, Query{Column: column})
		sound(t, a, err, len(body))
	})
}
