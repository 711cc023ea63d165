package openapi

import (
	"bytes"
	"embed"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/swaggest/swgui/v5/static"
)

//go:embed page/*
var page embed.FS

// loadPage adds the files of the page. Of Swagger UI only what the page names is taken, compressed as it comes.
func loadPage(all map[string]*file) error {
	for name, contentType := range map[string]string{"index.html": "text/html; charset=utf-8", "start.js": "text/javascript; charset=utf-8"} {
		b, err := page.ReadFile("page/" + name)
		if err != nil {
			return fmt.Errorf("openapi: %w", err)
		}
		all[PathPage+"/"+name] = newFile(contentType, b)
	}
	for name, contentType := range map[string]string{"swagger-ui.css": "text/css; charset=utf-8", "swagger-ui-bundle.js": "text/javascript; charset=utf-8"} {
		gz, err := static.FS.ReadFile(name + ".gz")
		if err != nil {
			return fmt.Errorf("openapi: %w", err)
		}
		all[PathPage+"/"+name] = &file{contentType: contentType, gz: gz, tag: tagOf(gz)}
	}
	const icon = "favicon-32x32.png"
	b, err := static.FS.ReadFile(icon)
	if err != nil {
		return fmt.Errorf("openapi: %w", err)
	}
	all[PathPage+"/"+icon] = &file{contentType: "image/png", plain: b, tag: tagOf(b)}
	return nil
}

func decompress(gz []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
