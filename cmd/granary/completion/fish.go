package completion

import (
	"fmt"
	"strings"
)

// fish is one line for each thing that may follow, with the place that it may follow at as its condition.
func fish(name string, places []place) string {
	var lines strings.Builder
	for _, p := range places {
		at := "__NAME_at"
		if p.at != "" {
			at += " " + p.at
		}
		begin := fmt.Sprintf("complete -c NAME -n %s", quote(at))
		for _, w := range p.words {
			fmt.Fprintf(&lines, "%s -a %s%s\n", begin, quote(w.text), fishHelp(w.help))
		}
		for _, f := range p.flags {
			fmt.Fprintf(&lines, "%s -l %s", begin, f.text)
			if f.short != "" {
				fmt.Fprintf(&lines, " -s %s", f.short)
			}
			switch {
			case f.value == "":
			case f.files:
				lines.WriteString(" -r -F")
			default:
				lines.WriteString(" -x")
			}
			if len(f.values) > 0 {
				fmt.Fprintf(&lines, " -a %s", quote(strings.Join(f.values, " ")))
			}
			lines.WriteString(fishHelp(f.help) + "\n")
		}
		if p.files {
			fmt.Fprintf(&lines, "%s -F\n", begin)
		}
	}
	return fill(fishTemplate, name, "", lines.String())
}

func fishHelp(help string) string {
	if help == "" {
		return ""
	}
	// Within single quotes fish knows \\ and \' and nothing else.
	return " -d '" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(help) + "'"
}

const fishTemplate = `# Completion of NAME for fish. Made by: NAME completion fish
# __NAME_at says whether the commands typed so far are these.
function __NAME_at
    set -l at
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and break
        test $word = help; or set -a at $word
    end
    test "$at" = "$argv"
end
complete -c NAME -f
@WORDS@`
