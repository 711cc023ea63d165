package main

import (
	"io"

	"github.com/alecthomas/kong"

	"granary/cmd/granary/completion"
)

// CompletionCmd prints a completion script.
type CompletionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"${enum}. For a session of bash or zsh: source <(granary completion bash); of fish: granary completion fish | source. The Debian package installs all three."`
}

// Run prints the script.
func (c *CompletionCmd) Run(e env, parser *kong.Kong) error {
	_, err := io.WriteString(e.stdout, completion.Script(c.Shell, parser.Model))
	return err
}
