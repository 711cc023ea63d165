// Package completion writes the scripts with which shells complete a command line, from the model of its parser: commands, flags,
// their values, and files where a value is one. It knows three shells and no command; nothing is listed by hand.
package completion

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Shells are the names of the shells that there are scripts for.
var Shells = []string{"bash", "zsh", "fish"}

// Script is the script for one of Shells, "" for any other. What the model calls hidden is not in it.
func Script(shell string, app *kong.Application) string {
	places := walk(app)
	switch shell {
	case "bash":
		return bash(app.Name, places)
	case "zsh":
		return zsh(app.Name, places)
	case "fish":
		return fish(app.Name, places)
	}
	return ""
}

// place is what may follow the commands typed so far.
type place struct {
	at    string // those commands: "token new"; "" at the beginning
	words []word // commands, and values of an argument that has a list of them
	flags []flag
	files bool // an argument is a file or a folder
}

// word is something to type, and what it means.
type word struct{ text, help string }

// flag is one flag of a place.
type flag struct {
	word            // without hyphens
	short  string   // one letter, "" if there is none
	value  string   // placeholder of its value, "" if it has none
	values []string // the values that it takes, if there is a list of them
	files  bool     // its value is a file or a folder
}

// walk lists the places of an application, parents first.
func walk(app *kong.Application) []place {
	var places []place
	var visit func(n *kong.Node, at string)
	visit = func(n *kong.Node, at string) {
		p := place{at: at}
		for _, c := range n.Children {
			if !c.Hidden {
				p.words = append(p.words, word{c.Name, summary(c.Help)})
			}
		}
		if at == "" {
			p.words = append(p.words, word{"help", "Show the commands, or the flags of one."})
		}
		for _, a := range n.Positional {
			list := enum(a.Tag.Enum)
			for _, v := range list {
				p.words = append(p.words, word{v, ""})
			}
			p.files = p.files || len(list) == 0
		}
		for _, group := range n.AllFlags(true) {
			for _, f := range group {
				p.flags = append(p.flags, flagOf(f))
			}
		}
		places = append(places, p)
		for _, c := range n.Children {
			if !c.Hidden {
				visit(c, strings.TrimSpace(at+" "+c.Name))
			}
		}
	}
	visit(app.Node, "")
	return places
}

func flagOf(f *kong.Flag) flag {
	out := flag{word: word{f.Name, summary(f.Help)}, values: enum(f.Tag.Enum)}
	if f.Short != 0 {
		out.short = string(f.Short)
	}
	if !f.IsBool() {
		out.value = f.FormatPlaceHolder()
	}
	out.files = slices.Contains([]string{"path", "existingfile", "existingdir"}, f.Tag.Type)
	return out
}

// summary is the first sentence of a help text, short enough for a line of a list.
func summary(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	first, _, _ = strings.Cut(first, "; ")
	return strings.TrimSuffix(strings.Join(strings.Fields(first), " "), ".")
}

func enum(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// names are the ways to write the flag on a command line.
func (f *flag) names() []string {
	if f.short == "" {
		return []string{"--" + f.text}
	}
	return []string{"--" + f.text, "-" + f.short}
}

// quote makes one word of a text for all three shells: there is no quote within it but one that the shell is told of.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// fill puts the parts of a script into its template: the values of flags, the words of places, and then the name of the program.
func fill(template, name, values, words string) string {
	return strings.NewReplacer("NAME", name).Replace(strings.NewReplacer("@VALUES@", values, "@WORDS@", words).Replace(template))
}
