//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"image"
	_ "image/png"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// TestSwaggerPage looks at the page of the HTTP API as a person would: it shows every operation of the document, one of
// them can be tried, and nothing is asked of another host. GRANARY_E2E_SCREENSHOT names a file for a picture of it.
func TestSwaggerPage(t *testing.T) {
	t.Parallel()
	b := browse(t)
	p := serve(t, "", filepath.Join(t.TempDir(), "data"))
	b.open(p.url + "/swagger/")
	want := 0
	for _, o := range contract(t).Operations() {
		if !o.Also {
			want++
		}
	}
	poll(t, "the operations to be shown", func() bool {
		return value[int](b, `document.querySelectorAll(".opblock").length`) == want
	})
	if title := value[string](b, `document.querySelector(".info .title").innerText`); len(title) < 7 || title[:7] != "Granary" {
		t.Errorf("the title is %q", title)
	}

	const operation = `document.querySelector("#operations-Service-health")`
	value[any](b, operation+`.querySelector("button.opblock-summary-control").click()`)
	poll(t, "the operation to unfold", func() bool { return value[bool](b, operation+`.querySelector("button.execute") !== null`) })
	value[any](b, operation+`.querySelector("button.execute").click()`)
	poll(t, "the answer to be shown", func() bool {
		return value[string](b, `(`+operation+`.querySelector(".live-responses-table .response .response-col_status") || {}).innerText || ""`) == "200"
	})
	value[any](b, operation+`.scrollIntoView()`)
	picture := b.screenshot()
	if file := os.Getenv("GRANARY_E2E_SCREENSHOT"); file != "" {
		if err := os.WriteFile(file, picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shown, _, err := image.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	if n := colours(shown); n < 20 {
		t.Errorf("the picture has %d colours, as an empty page has", n)
	}

	server, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, e := range b.events("Network.requestWillBeSent") {
		var r struct{ Request struct{ URL string } }
		if err := json.Unmarshal(e, &r); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(r.Request.URL)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case u.Scheme == "data" || u.Scheme == "blob" || u.Scheme == "about":
		case u.Host != server.Host:
			t.Errorf("the page asked for %s", r.Request.URL)
		default:
			asked++
		}
	}
	if asked < 6 {
		t.Errorf("%d requests were seen; page, script, style, start, document and what was tried are six", asked)
	}
	for _, kind := range []string{"Runtime.exceptionThrown", "Log.entryAdded"} {
		for _, e := range b.events(kind) {
			t.Errorf("%s: %s", kind, e)
		}
	}
}

// colours counts the colours of a picture.
func colours(m image.Image) int {
	seen := map[[4]uint32]bool{}
	r := m.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			r, g, b, a := m.At(x, y).RGBA()
			seen[[4]uint32{r, g, b, a}] = true
		}
	}
	return len(seen)
}
