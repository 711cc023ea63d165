package main

import (
	"bytes"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"granary/docs"
)

var overstrike = regexp.MustCompile(".\b|\x1b\\[[0-9;]*m")

// rendered is a page as a reader sees it; anything that groff complains about fails the test.
func rendered(t *testing.T, source string) string {
	t.Helper()
	if _, err := exec.LookPath("groff"); err != nil {
		t.Skip("there is no groff here")
	}
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "groff", "-mandoc", "-Tutf8", "-ww", "-Kutf8", "-rLL=300n")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(source), &out, &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("groff: %v\n%s", err, complaints.String())
	}
	return strings.Join(strings.Fields(overstrike.ReplaceAllString(out.String(), "")), " ")
}

func page(t *testing.T, args ...string) string {
	t.Helper()
	code, text, stderr := command(t, append([]string{"man"}, args...)...)
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	return text
}

// TestManCommand: granary(1) names every command, argument and flag with the help of it.
func TestManCommand(t *testing.T) {
	text := rendered(t, page(t))
	parser, err := newParser(&CLI{}, env{io.Discard, io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	has := func(want string) {
		t.Helper()
		if want = strings.Join(strings.Fields(want), " "); !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, n := range parser.Model.Leaves(true) {
		has(n.FullPath())
		has(n.Help)
		for _, a := range n.Positional {
			has(a.Help)
		}
		for _, f := range n.Flags {
			if !f.Hidden && f.Name != "help" {
				has("--" + f.Name)
				has(f.Help)
			}
		}
	}
	for _, hidden := range []string{"--gops", "--logdate"} {
		if strings.Contains(text, hidden) {
			t.Errorf("%s is told of", hidden)
		}
	}
	has("EXIT STATUS")
}

// TestManConfig: granary.json(5) has every setting and every word of the page that it is made of.
func TestManConfig(t *testing.T) {
	text := rendered(t, page(t, "granary.json"))
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(docs.Config, -1) {
		if !strings.Contains(text, m[1]) {
			t.Errorf("no setting %s", m[1])
		}
	}
	for _, left := range []string{"](", "**", "|--"} {
		if strings.Contains(text, left) {
			t.Errorf("there is %q of Markdown left", left)
		}
	}
}
