package client

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"granary/openapi"
)

var rewrite = flag.Bool("rewrite", false, "make client.gen.go anew")

// TestGenerated: the client is the one that the document gives.
func TestGenerated(t *testing.T) {
	const file = "client.gen.go"
	doc, err := openapi.Joined()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source, made := filepath.Join(dir, "openapi.yaml"), filepath.Join(dir, file)
	if err := os.WriteFile(source, doc.YAML, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "tool", "oapi-codegen", "-config", "config.yaml", "-o", made, source).CombinedOutput(); err != nil {
		t.Fatalf("oapi-codegen: %v\n%s", err, out)
	}
	want, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is not what the document gives; make it anew with go test ./openapi/client -run TestGenerated -rewrite", file)
	}
}
