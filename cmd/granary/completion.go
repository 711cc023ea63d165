package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// CompletionCmd prints a completion script.
type CompletionCmd struct {
	Shell string `arg:"" enum:"bash,zsh" help:"${enum}. For bash: source <(granary completion bash)"`
}

// Run prints the script.
func (c *CompletionCmd) Run(e env, parser *kong.Kong) error {
	if c.Shell == "zsh" {
		// zsh runs completions of bash once it is told to.
		if _, err := io.WriteString(e.stdout, "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"); err != nil {
			return err
		}
	}
	_, err := io.WriteString(e.stdout, bashScript(parser.Model.Node))
	return err
}

// bashScript is a function that follows the words typed so far to a command, and offers its commands and flags, or the values of
// the flag before the cursor.
func bashScript(root *kong.Node) string {
	var commands, values strings.Builder
	var walk func(n *kong.Node, path string)
	walk = func(n *kong.Node, path string) {
		var words []string
		for _, c := range n.Children {
			if !c.Hidden {
				words = append(words, c.Name)
			}
		}
		if path == "" {
			words = append(words, "help")
		}
		for _, p := range n.Positional {
			words = append(words, enum(p.Tag.Enum)...)
		}
		slices.Sort(words)
		for _, group := range n.AllFlags(true) {
			for _, f := range group {
				words = append(words, "--"+f.Name)
				if v := flagValues(f); v != "" {
					fmt.Fprintf(&values, "    \"%s --%s\") %s ;;\n", path, f.Name, v)
				}
			}
		}
		fmt.Fprintf(&commands, "    \"%s\") words=\"%s\" ;;\n", path, strings.Join(slices.Compact(words), " "))
		for _, c := range n.Children {
			walk(c, strings.TrimSpace(path+" "+c.Name))
		}
	}
	walk(root, "")
	return fmt.Sprintf(completionTemplate, values.String(), commands.String())
}

// flagValues is the command that completes the value of a flag; "" for a flag without a value.
func flagValues(f *kong.Flag) string {
	switch {
	case f.IsBool():
		return ""
	case f.Tag.Enum != "":
		return fmt.Sprintf(`COMPREPLY=($(compgen -W "%s" -- "$cur")); return`, strings.Join(enum(f.Tag.Enum), " "))
	case f.Tag.Type == "path" || f.Tag.Type == "existingfile":
		return `COMPREPLY=($(compgen -f -- "$cur")); return`
	default:
		return `COMPREPLY=(); return`
	}
}

func enum(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

const completionTemplate = `# Completion of granary for bash.
_granary() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" path="" word words=""
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      -*) break ;;
      *) path="${path:+$path }$word" ;;
    esac
  done
  case "$path $prev" in
%s  esac
  case "$path" in
%s    *) COMPREPLY=($(compgen -f -- "$cur")); return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [ ${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$cur")); fi
}
complete -F _granary granary
`
