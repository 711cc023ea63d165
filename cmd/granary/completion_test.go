package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// completions are command lines, with a bar where the cursor stands, and what completes the last word: all of it for bash and fish, which list
// what fits; what is offered at all for zsh, which does the fitting itself.
var completions = []struct{ line, want string }{
	{"granary se", "serve"},
	{"granary token ", "keygen new"},
	{"granary token k", "keygen"},
	{"granary help tok", "token"},
	{"granary load --precision m", "ms"},
	{"granary completion z", "zsh"},
	{"granary serve --con", "--config"},
	{"granary load --precision s --ta", "--target"},
	{"granary load --gzip --cl", "--cluster"},
	{"granary load --seed ", ""},
	{"granary verify comp", "completion/ completion.go completion_test.go"},
	{"granary serve -c testdata/hel", "testdata/help.txt"},
	{"granary serve --config testdata/hel", "testdata/help.txt"},
}

func script(t *testing.T, shell string) string {
	t.Helper()
	code, text, stderr := command(t, "completion", shell)
	if code != exitOK || stderr != "" {
		t.Fatalf("%s: exit code %d, %s", shell, code, stderr)
	}
	return write(t, "completion", text)
}

// complete runs a shell with the script, a program of the test, and the words of a line.
func complete(t *testing.T, shell []string, script string, words ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shell[0], append(append(shell[1:len(shell):len(shell)], script), words...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", words, err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	return slices.Compact(lines)
}

func TestCompletionBash(t *testing.T) {
	file := script(t, "bash")
	bash := []string{"bash", "-c", `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _granary; printf '%s\n' "${COMPREPLY[@]}"`, "bash"}
	for _, c := range completions {
		got := strings.Join(complete(t, bash, file, strings.Split(c.line, " ")...), " ")
		if want := strings.ReplaceAll(c.want, "/ ", " "); got != want { // bash marks folders when it shows them
			t.Errorf("%q completes to %q, want %q", c.line, got, want)
		}
	}
	// With --flag=value, as bash splits it.
	if got := complete(t, bash, file, "granary", "load", "--precision", "=", "n"); !slices.Equal(got, []string{"ns"}) {
		t.Errorf("behind an equals sign: %q", got)
	}
	if got := complete(t, bash, file, "granary", "load", "--precision", "="); len(got) != 4 {
		t.Errorf("at an equals sign: %q", got)
	}
}

func TestCompletionFish(t *testing.T) {
	if _, err := exec.LookPath("fish"); err != nil {
		t.Skip("there is no fish here")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("XDG_DATA_HOME", "")
	file := script(t, "fish")
	// One process for all lines, since fish is slow to start.
	program := `source $argv[1]; for line in $argv[2..-1]; echo "> $line"; complete -C $line; end`
	var lines []string
	for _, c := range completions {
		lines = append(lines, c.line)
	}
	out, err := exec.CommandContext(t.Context(), "fish", append([]string{"--no-config", "-c", program, file}, lines...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	answers := strings.Split(string(out), "> ")[1:]
	if len(answers) != len(completions) {
		t.Fatalf("%d answers: %s", len(answers), out)
	}
	for i, c := range completions {
		var got []string
		for _, l := range strings.Split(strings.TrimSpace(answers[i]), "\n")[1:] {
			text, _, _ := strings.Cut(l, "\t") // behind it, what it means
			got = append(got, text)
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != strings.ReplaceAll(c.want, "completion/ completion.go", "completion.go completion/") {
			t.Errorf("%q completes to %q, want %q", c.line, text, c.want)
		}
	}
}

// TestCompletionZsh calls the function with what it needs of zsh's completion system replaced by something that prints.
func TestCompletionZsh(t *testing.T) {
	if _, err := exec.LookPath("zsh"); err != nil {
		t.Skip("there is no zsh here")
	}
	file := script(t, "zsh")
	program := `compdef() {}; _message() {}
_files() { print -l -- $PREFIX*(N) }
compadd() { shift; print -l -- "$@" }
compset() { IPREFIX="${words[CURRENT]%%=*}="; words[CURRENT]="${words[CURRENT]#*=}"; PREFIX="${words[CURRENT]}" }
_describe() { [[ "$1" = -o ]] && shift; print -l -- "${(@)${(P)2}%%:*}" }
source "$1"; shift; words=("$@"); CURRENT=$#; PREFIX="${words[CURRENT]}"; _granary`
	zsh := []string{"zsh", "-f", "-c", program, "zsh"}
	for _, c := range completions {
		words := strings.Split(c.line, " ")
		var got []string
		for _, w := range complete(t, zsh, file, words...) {
			if w != "" && strings.HasPrefix(w, words[len(words)-1]) {
				got = append(got, w)
			}
		}
		if text, want := strings.Join(got, " "), strings.ReplaceAll(c.want, "/ ", " "); text != want {
			t.Errorf("%q completes to %q, want %q", c.line, text, want)
		}
	}
	if got := complete(t, zsh, file, "granary", "load", "--precision=n"); !slices.Contains(got, "ns") {
		t.Errorf("behind an equals sign: %q", got)
	}
}
