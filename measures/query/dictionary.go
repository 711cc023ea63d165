package query

import (
	"slices"
	"sync"
)

// dictionary gives the texts of one answer numbers, so that buckets, groups and fillings deal with texts as they do with
// numbers: the first, the last, how many, how many different ones.
type dictionary struct {
	mu      sync.Mutex
	numbers map[string]float64
	texts   []string
}

// appendNumbers appends the numbers of texts.
func (d *dictionary) appendNumbers(dst []float64, texts []string) []float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.numbers == nil {
		d.numbers = make(map[string]float64)
	}
	for _, text := range texts {
		n, ok := d.numbers[text]
		if !ok {
			n = float64(len(d.texts))
			d.numbers[text] = n
			d.texts = append(d.texts, text)
		}
		dst = append(dst, n)
	}
	return dst
}

// appendTexts appends the texts that numbers stand for, and nothing for a number that has no meaning.
func (d *dictionary) appendTexts(dst []string, numbers []float64, present Bitmap) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	dst = slices.Grow(dst, len(numbers))
	for i, n := range numbers {
		if present != nil && !present.Has(i) {
			dst = append(dst, "")
			continue
		}
		dst = append(dst, d.texts[int(n)])
	}
	return dst
}
