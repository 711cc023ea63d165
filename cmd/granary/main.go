package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// CLI is the command line.
type CLI struct {
	Serve       ServeCmd       `cmd:"" help:"Serve the store."`
	Check       CheckCmd       `cmd:"" help:"Check a configuration file and say what is in force."`
	Load        LoadCmd        `cmd:"" help:"Simulate a cluster that sends its metrics, and measure."`
	Demo        DemoCmd        `cmd:"" help:"Serve and feed a small simulated cluster and this host's own metrics."`
	Bridge      BridgeCmd      `cmd:"" help:"Pull metrics from Prometheus or InfluxDB."`
	Import      ImportCmd      `cmd:"" help:"Take over what another store has kept."`
	Export      ExportCmd      `cmd:"" help:"Print a data folder as line protocol."`
	Verify      VerifyCmd      `cmd:"" help:"Check every file of a data folder."`
	Token       TokenCmd       `cmd:"" help:"Make keys and tokens for ClusterCockpit clients."`
	Key         KeyCmd         `cmd:"" help:"Make tokens for granary.identity.tokens."`
	Healthcheck HealthcheckCmd `cmd:"" help:"Ask a running server whether it works: for containers and scripts."`
	Version     VersionCmd     `cmd:"" help:"Print the version, and what the program was made of."`
	Completion  CompletionCmd  `cmd:"" help:"Print a completion script for a shell."`
	Man         ManCmd         `cmd:"" help:"Print a manual page."`
}

// env is what commands get of the world outside.
type env struct {
	stdout, stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once the first signal has begun the stop, a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], env{os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

const description = `Granary keeps the metrics of clusters: a server that takes the place of cc-metric-store, and tools around it.

Exit codes: 0 success, 1 failure, 2 wrong command line.`

// exit is thrown by the parser where it wants to leave the process.
type exit struct{ code int }

func newParser(cli *CLI, e env) (*kong.Kong, error) {
	return kong.New(cli,
		kong.Name("granary"),
		kong.Description(description),
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(func(code int) { panic(exit{code}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
	)
}

// run carries out one command line and gives the exit code.
func run(ctx context.Context, args []string, e env) (code int) {
	defer func() {
		if r := recover(); r != nil {
			left, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = left.code
		}
	}()
	cli := &CLI{}
	parser, err := newParser(cli, e)
	if err != nil {
		fmt.Fprintln(e.stderr, "granary:", err)
		return exitFailure
	}
	parsed, err := parser.Parse(rewrite(args))
	if err != nil {
		fmt.Fprintln(e.stderr, "granary:", err)
		fmt.Fprintln(e.stderr, `Run "granary help" for the commands and their flags.`)
		return exitUsage
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(e, parser)
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(e.stderr, "granary:", err)
		var u *usageError
		if errors.As(err, &u) {
			return exitUsage
		}
		return exitFailure
	}
	return exitOK
}

// usageError is a command line that the parser could not know to be wrong.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// peerFlags are the flags of cc-metric-store, which have one hyphen, and what they are called here.
var peerFlags = map[string]string{
	"-config": "--config", "-dev": "--dev", "-loglevel": "--log-level", "-logdate": "--logdate", "-gops": "--gops",
}

// rewrite makes "help" a command, and lets serve take the flags of cc-metric-store as they stand in unit files.
func rewrite(args []string) []string {
	if len(args) == 0 {
		return []string{"--help"}
	}
	args = slices.Clone(args)
	switch args[0] {
	case "help":
		return append(args[1:], "--help")
	case "serve":
		for i, a := range args {
			for peer, ours := range peerFlags {
				if a == peer || (len(a) > len(peer) && a[:len(peer)+1] == peer+"=") {
					args[i] = ours + a[len(peer):]
				}
			}
		}
	}
	return args
}
