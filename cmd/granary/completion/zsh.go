package completion

import (
	"fmt"
	"strings"
)

// zsh is the function that zsh loads by the name of its file, _NAME. It may be sourced as well.
func zsh(name string, places []place) string {
	var values, words strings.Builder
	described := func(w word, text string) string {
		// A colon ends the text to type.
		return quote(strings.ReplaceAll(text, ":", `\:`) + ":" + w.help)
	}
	for _, p := range places {
		var commands, flags []string
		for _, w := range p.words {
			commands = append(commands, described(w, w.text))
		}
		for _, f := range p.flags {
			flags = append(flags, described(f.word, "--"+f.text))
			if f.value == "" {
				continue
			}
			for _, n := range f.names() {
				fmt.Fprintf(&values, "    %s) %s; return ;;\n", quote(p.at+" "+n), zshValue(&f))
			}
		}
		files := ""
		if p.files {
			files = " files=1"
		}
		fmt.Fprintf(&words, "    %s) commands=(%s) flags=(%s)%s ;;\n", quote(p.at), strings.Join(commands, " "), strings.Join(flags, " "), files)
	}
	return fill(zshTemplate, name, values.String(), words.String())
}

func zshValue(f *flag) string {
	switch {
	case len(f.values) > 0:
		return "compadd -- " + strings.Join(f.values, " ")
	case f.files:
		return "_files"
	}
	return "_message " + quote(strings.ToLower(f.value))
}

const zshTemplate = `#compdef NAME
# Completion of NAME for zsh. Made by: NAME completion zsh
_NAME() {
  local at="" word files=""
  local -a commands flags
  for word in "${(@)words[2,CURRENT-1]}"; do
    case "$word" in
      -*) break ;;
      help) ;;
      *) at="${at:+$at }$word" ;;
    esac
  done
  # --flag=value is one word here.
  local flag="${words[CURRENT-1]}"
  if [[ "${words[CURRENT]}" == --*=* ]] && compset -P '*='; then flag="${IPREFIX%=}"; fi
  case "$at $flag" in
@VALUES@  esac
  case "$at" in
@WORDS@    *) files=1 ;;
  esac
  if [[ "${words[CURRENT]}" == -* ]]; then
    _describe -o flag flags
    return
  fi
  (( $#commands )) && _describe command commands
  [[ -n "$files" ]] && _files
  (( $#commands )) || [[ -n "$files" ]] || _describe -o flag flags
}
if [[ "${funcstack[1]}" == _NAME ]]; then
  _NAME "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
  compdef _NAME NAME
fi
`
