package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"granary/cmd/granary/config"
	"granary/cmd/granary/export"
	"granary/cmd/granary/server"
)

// ImportResourcesCmd reads what granary export --resources has printed.
type ImportResourcesCmd struct {
	File   string `arg:"" type:"existingfile" placeholder:"FILE" help:"What granary export --resources has printed."`
	Config string `short:"c" type:"existingfile" required:"" placeholder:"FILE" help:"Write into the data folder of this configuration, while no server has it open."`
	Data   string `type:"path" placeholder:"DIR" help:"Data folder; wins over that of --config."`
}

// Run makes types, resources and their metrics, and says what became of them. What is there already stays as it is.
func (c *ImportResourcesCmd) Run(ctx context.Context, e env) (err error) {
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	cfg, _, err := config.Load(c.Config, config.Options{Overrides: config.Overrides{Data: c.Data}})
	if err != nil {
		return fmt.Errorf("%s is not valid:\n%w", c.Config, err)
	}
	f, err := server.OpenOffline(ctx, cfg, server.Options{Logger: newLogger(e.stderr, cfg.Log)}, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	st, err := export.ReadResources(ctx, file, f)
	fmt.Fprintf(e.stdout, "%d resource types and %d resources with %d metrics made; %d resources were there already; %d former revisions left out\n",
		st.Types, st.Resources, st.Metrics, st.Existing, st.Former)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return nil
}
