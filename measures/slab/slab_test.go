package slab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestSlabsAgainstModel puts, gets and frees at random, and compares with a map.
func TestSlabsAgainstModel(t *testing.T) {
	for seed := range uint64(3) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		before := Mapped()
		s := NewSlabs()
		type piece struct {
			b      []byte
			window int64
		}
		model := map[Loc]piece{}
		var order []Loc
		live := int64(0)
		for step := range 20_000 {
			switch p := rnd.IntN(100); {
			case p < 55:
				n := rnd.IntN(600)
				if rnd.IntN(200) == 0 {
					n = MaxPiece - rnd.IntN(3)
				}
				b := make([]byte, n)
				for i := range b {
					b[i] = byte(rnd.Uint32())
				}
				w := int64(step/4000) - int64(rnd.IntN(3))
				l, err := s.Put(w, b)
				if err != nil || l == 0 {
					t.Fatalf("%d, %v", l, err)
				}
				if _, ok := model[l]; ok {
					t.Fatalf("place %x given twice", l)
				}
				model[l] = piece{b, w}
				order = append(order, l)
				live += int64(n+2+3) &^ 3
			case p < 95 && len(order) > 0:
				i := rnd.IntN(len(order))
				l := order[i]
				order[i] = order[len(order)-1]
				order = order[:len(order)-1]
				if got := s.Get(l); !bytes.Equal(got, model[l].b) || s.Window(l) != model[l].window {
					t.Fatalf("place %x: %d bytes of window %d, want %d of %d", l, len(got), s.Window(l), len(model[l].b), model[l].window)
				}
				live -= int64(len(model[l].b)+2+3) &^ 3
				s.Free(l)
				delete(model, l)
			default:
				s.Trim()
			}
			if s.Bytes() != live || s.Mapped() < live || Mapped()-before < live {
				t.Fatalf("%d bytes live, %d touched, %d mapped; want %d", s.Bytes(), s.Mapped(), Mapped()-before, live)
			}
		}
		sum := int64(0)
		s.EachWindow(func(_, n int64) { sum += n })
		if sum != s.Mapped() {
			t.Errorf("%d bytes in windows, %d touched", sum, s.Mapped())
		}
		for l, p := range model {
			if !bytes.Equal(s.Get(l), p.b) {
				t.Fatalf("place %x has changed", l)
			}
			s.Free(l)
		}
		s.Trim()
		if s.Bytes() != 0 || s.Mapped() != 0 || Mapped() != before {
			t.Errorf("%d bytes live, %d touched, %d mapped when all is free", s.Bytes(), s.Mapped(), Mapped()-before)
		}
		if _, err := s.Put(1, []byte("again")); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if Mapped() != before {
			t.Errorf("%d bytes mapped after Close", Mapped()-before)
		}
	}
}

// TestWindowsGoTogether frees a window: its slabs go back to the system, those of others stay.
func TestWindowsGoTogether(t *testing.T) {
	before := Mapped()
	s := NewSlabs()
	defer s.Close()
	var old, young []Loc
	piece := make([]byte, 1000)
	for i := range 5000 {
		w := int64(i % 2)
		l, err := s.Put(w, piece)
		if err != nil {
			t.Fatal(err)
		}
		if w == 0 {
			old = append(old, l)
		} else {
			young = append(young, l)
		}
	}
	if n := Mapped() - before; n != 6*Size {
		t.Errorf("%d slabs", n/Size)
	}
	for _, l := range old {
		s.Free(l)
	}
	s.Trim()
	if n := Mapped() - before; n != 3*Size {
		t.Errorf("%d slabs", n/Size)
	}
	for _, l := range young {
		if len(s.Get(l)) != 1000 || s.Window(l) != 1 {
			t.Fatalf("place %x", l)
		}
	}
}

// TestFull fills all slabs that a place can number, in small pieces of many windows: then 0 comes, and there is room
// again when something goes.
func TestFull(t *testing.T) {
	if testing.Short() || raceBuild {
		t.Logf("left to the full run: it maps %d MiB of address space", maxSlabs)
		return
	}
	s := NewSlabs()
	defer s.Close()
	var last Loc
	n := 0
	for w := int64(0); ; w++ {
		l, err := s.Put(w, []byte{byte(w)})
		if err != nil {
			t.Fatal(err)
		}
		if l == 0 {
			break
		}
		if s.Get(l)[0] != byte(w) || s.Window(l) != w {
			t.Fatalf("window %d at %x", w, l)
		}
		last = l
		n++
	}
	if n < maxSlabs-2 {
		t.Errorf("%d slabs", n)
	}
	s.Free(last)
	s.Trim()
	if l, err := s.Put(-1, []byte("x")); l == 0 || err != nil {
		t.Errorf("%x, %v", l, err)
	}
}

func TestPool(t *testing.T) {
	for _, words := range []int{1, 30, 60, 120, 4096} {
		t.Run(fmt.Sprint(words), func(t *testing.T) {
			before := Mapped()
			p := NewPool(words)
			if Mapped() != before {
				t.Error("mapped before the first use")
			}
			rnd := rand.New(rand.NewPCG(1, uint64(words)))
			model := map[Handle]float64{}
			var order []Handle
			for range 5000 {
				if rnd.IntN(5) < 3 {
					h, err := p.Get()
					if err != nil || h == 0 {
						t.Fatalf("%d, %v", h, err)
					}
					if _, ok := model[h]; ok {
						t.Fatalf("buffer %d given twice", h)
					}
					v := p.Floats(h)
					if len(v) != words || len(p.Ints(h)) != words {
						t.Fatalf("%d words", len(v))
					}
					model[h] = rnd.Float64()
					for i := range v {
						v[i] = model[h]
					}
					order = append(order, h)
				} else if len(order) > 0 {
					i := rnd.IntN(len(order))
					h := order[i]
					order[i] = order[len(order)-1]
					order = order[:len(order)-1]
					for _, v := range p.Floats(h) {
						if v != model[h] {
							t.Fatalf("buffer %d was written to", h)
						}
					}
					delete(model, h)
					p.Put(h)
				}
				if p.Bytes() != int64(len(model)*words*8) {
					t.Fatalf("%d bytes in use", p.Bytes())
				}
			}
			for h := range model {
				p.Put(h)
			}
			if p.Bytes() != 0 || len(p.regions) > 1 {
				t.Errorf("%d bytes in use, %d regions kept when all is back", p.Bytes(), len(p.regions))
			}
			p.Trim()
			if Mapped() != before {
				t.Errorf("%d bytes mapped after Trim", Mapped()-before)
			}
			if h, err := p.Get(); err != nil || h != 1 {
				t.Errorf("first buffer of a new life is %d, %v", h, err)
			}
			p.Close()
			if p.Bytes() != 0 || Mapped() != before {
				t.Errorf("%d bytes mapped after Close", Mapped()-before)
			}
		})
	}
}

// TestMove frees every other piece and moves the rest together: half of the memory goes back, and every piece is what it was.
func TestMove(t *testing.T) {
	s := NewSlabs()
	defer s.Close()
	var locs []Loc
	piece := func(i int) []byte { return fmt.Appendf(make([]byte, 300), "piece %d", i) }
	for i := range 20_000 {
		l, err := s.Put(int64(i%2), piece(i))
		if err != nil {
			t.Fatal(err)
		}
		locs = append(locs, l)
	}
	if s.Thin() {
		t.Error("full slabs are thin")
	}
	for i := 0; i < len(locs); i += 4 {
		s.Free(locs[i])
		s.Free(locs[i+1])
	}
	before, bytes := s.Mapped(), s.Bytes()
	if !s.Thin() {
		t.Fatal("half of it is free")
	}
	for i := range locs {
		if i%4 < 2 {
			continue
		}
		window := s.Window(locs[i])
		locs[i] = s.Move(locs[i])
		if got := s.Get(locs[i]); string(got) != string(piece(i)) || s.Window(locs[i]) != window || s.Size(locs[i]) != int64(len(got)+2+3)&^3 {
			t.Fatalf("piece %d is %q in window %d", i, got, s.Window(locs[i]))
		}
	}
	if s.Mapped() > before*6/10 || s.Bytes() != bytes {
		t.Errorf("%d of %d bytes taken, %d of %d live", s.Mapped(), before, s.Bytes(), bytes)
	}
	if s.Thin() {
		t.Error("thin behind the move")
	}
	for i := range locs {
		if i%4 > 1 && s.Move(locs[i]) != locs[i] {
			t.Fatal("a piece of a full slab moved")
		}
	}
}

func BenchmarkPutFree(b *testing.B) {
	s := NewSlabs()
	defer s.Close()
	piece := make([]byte, 200)
	var ring [1024]Loc
	b.ReportAllocs()
	b.SetBytes(int64(len(piece)))
	for i := 0; b.Loop(); i++ {
		if l := ring[i%len(ring)]; l != 0 {
			s.Free(l)
		}
		var err error
		if ring[i%len(ring)], err = s.Put(0, piece); err != nil {
			b.Fatal(err)
		}
	}
}
