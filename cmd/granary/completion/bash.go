package completion

import (
	"fmt"
	"strings"
)

// bash is a function that follows the words typed so far to a place, and offers its words, or the values of the flag before the cursor.
func bash(name string, places []place) string {
	var values, words strings.Builder
	for _, p := range places {
		var list, flags []string
		for _, w := range p.words {
			list = append(list, w.text)
		}
		for _, f := range p.flags {
			flags = append(flags, "--"+f.text)
			if f.value == "" {
				continue
			}
			for _, n := range f.names() {
				fmt.Fprintf(&values, "    %s) %s; return ;;\n", quote(p.at+" "+n), bashValue(&f))
			}
		}
		files := ""
		if p.files {
			files = " files=1"
		}
		fmt.Fprintf(&words, "    %s) words=%s flags=%s%s ;;\n", quote(p.at), quote(strings.Join(list, " ")), quote(strings.Join(flags, " ")), files)
	}
	return fill(bashTemplate, name, values.String(), words.String())
}

func bashValue(f *flag) string {
	switch {
	case len(f.values) > 0:
		return fmt.Sprintf(`COMPREPLY=($(compgen -W %s -- "$cur"))`, quote(strings.Join(f.values, " ")))
	case f.files:
		return "_NAME_files"
	}
	return "COMPREPLY=()"
}

const bashTemplate = `# Completion of NAME for bash. Made by: NAME completion bash
_NAME_files() {
  local IFS=$'\n'
  COMPREPLY+=($(compgen -f -- "$cur"))
  compopt -o filenames 2>/dev/null
}
_NAME() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" at="" word words="" flags="" files=""
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      -*) break ;;
      help) ;;
      *) at="${at:+$at }$word" ;;
    esac
  done
  # What stands behind an equals sign is a word of its own for bash.
  if [ "$cur" = = ]; then cur=""; elif [ "$prev" = = ]; then prev="${COMP_WORDS[COMP_CWORD-2]}"; fi
  case "$at $prev" in
@VALUES@  esac
  case "$at" in
@WORDS@    *) files=1 ;;
  esac
  if [ "${cur:0:1}" = - ] || [ -z "$words$files" ]; then words="$flags" files=""; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [ -n "$files" ]; then _NAME_files; fi
}
complete -F _NAME NAME
`
