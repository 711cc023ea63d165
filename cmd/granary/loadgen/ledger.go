package loadgen

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
)

// Ack is a batch that was accepted as a whole: the lines of Count series from First on, at one step.
type Ack struct {
	Step  int64
	First int
	Count int
}

// A ledger is a text: the cluster as one line of JSON, then a line "step first count" for each Ack.

// LedgerWriter writes a ledger. Add may be called by several goroutines.
type LedgerWriter struct {
	mu sync.Mutex
	w  *bufio.Writer
}

// NewLedger begins a ledger of what g makes.
func NewLedger(w io.Writer, g *Generator) (*LedgerWriter, error) {
	b := bufio.NewWriter(w)
	head, err := json.Marshal(g.c)
	if err != nil {
		return nil, err
	}
	if _, err := b.Write(append(head, '\n')); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &LedgerWriter{w: b}, nil
}

// Add notes a batch. It reaches the file at Flush at the latest.
func (l *LedgerWriter) Add(a Ack) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintln(l.w, a.Step, a.First, a.Count); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Flush writes what is buffered.
func (l *LedgerWriter) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.w.Flush(); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Ledger is a ledger that was read.
type Ledger struct {
	Generator *Generator
	Acks      []Ack // sorted by First, then by Step
}

// ReadLedger reads a ledger. A last line without its newline is left out: its writer was stopped.
func ReadLedger(r io.Reader) (*Ledger, error) {
	b := bufio.NewReader(r)
	head, err := b.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("ledger: no line with the cluster: %w", err)
	}
	var c Cluster
	if err := json.Unmarshal(head, &c); err != nil {
		return nil, fmt.Errorf("ledger: line 1: %w", err)
	}
	g, err := New(c)
	if err != nil {
		return nil, fmt.Errorf("ledger: line 1: %w", err)
	}
	l := &Ledger{Generator: g}
	for number := 2; ; number++ {
		line, err := b.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		var a Ack
		if _, err := fmt.Sscanln(line, &a.Step, &a.First, &a.Count); err != nil {
			return nil, fmt.Errorf("ledger: line %d: %w", number, err)
		}
		if a.Step < 0 || a.First < 0 || a.Count < 0 || a.Count > g.Series() || a.First > g.Series()-a.Count {
			return nil, fmt.Errorf("ledger: line %d: batch %+v lies outside of %d series", number, a, g.Series())
		}
		l.Acks = append(l.Acks, a)
	}
	slices.SortFunc(l.Acks, func(a, b Ack) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Step, b.Step))
	})
	return l, nil
}

// Samples computes all samples that were acknowledged, by ascending series of the batches and then by step.
func (l *Ledger) Samples() iter.Seq[Sample] {
	return func(yield func(Sample) bool) {
		for _, a := range l.Acks {
			for i := range a.Count {
				if !yield(l.Generator.Sample(a.First+i, a.Step)) {
					return
				}
			}
		}
	}
}

// Len is the number of samples that were acknowledged.
func (l *Ledger) Len() int64 {
	var n int64
	for _, a := range l.Acks {
		n += int64(a.Count)
	}
	return n
}

// host computes the steps that were acknowledged for each series of host h, ascending. A batch that was sent twice counts once.
func (l *Ledger) host(h int) [][]int64 {
	per := l.Generator.perHost
	low, high := h*per, (h+1)*per
	steps := make([][]int64, per)
	for _, a := range l.Acks {
		if a.First >= high {
			break
		}
		for s := max(a.First, low); s < min(a.First+a.Count, high); s++ {
			steps[s-low] = append(steps[s-low], a.Step)
		}
	}
	for i := range steps {
		slices.Sort(steps[i])
		steps[i] = slices.Compact(steps[i])
	}
	return steps
}
