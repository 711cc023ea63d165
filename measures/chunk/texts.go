package chunk

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// textScratch is the memory of one AppendTexts.
type textScratch struct {
	codes map[string]int // text -> code
	order []string       // the texts by code
	list  []int          // the code of each value
}

var textScratches = sync.Pool{New: func() any { return &textScratch{codes: make(map[string]int)} }}

// AppendTexts appends the payload of texts, under the codec Strings or PointTags, to dst: each text once and a code of some
// bits for each value, or the texts as they are if too few repeat. The number of texts is not in the payload. They may
// hold any bytes.
func AppendTexts(dst []byte, c Codec, v []string) []byte {
	checkTexts(c)
	if len(v) == 0 {
		return append(dst, byte(c))
	}
	s := textScratches.Get().(*textScratch)
	plain, once := 1, 1
	for _, t := range v {
		size := uvarintSize(uint64(len(t))) + len(t)
		plain += size
		code, ok := s.codes[t]
		if !ok {
			code = len(s.order)
			s.codes[t] = code
			s.order = append(s.order, t)
			once += size
		}
		s.list = append(s.list, code)
	}
	w := codeWidth(len(s.order))
	once += uvarintSize(uint64(len(s.order)-1)) + (len(v)*w+7)/8
	if once < plain {
		dst = slices.Grow(dst, once)
		dst = append(dst, byte(c)|flagDictionary)
		dst = binary.AppendUvarint(dst, uint64(len(s.order)-1))
		dst = appendLengths(dst, s.order)
		dst = appendCodes(dst, s.list, w)
		dst = appendBytes(dst, s.order)
	} else {
		dst = slices.Grow(dst, plain)
		dst = append(dst, byte(c))
		dst = appendLengths(dst, v)
		dst = appendBytes(dst, v)
	}
	s.release(len(v))
	return dst
}

// release drops the references to the caller's texts.
func (s *textScratch) release(n int) {
	if n > keepScratch {
		return
	}
	clear(s.codes)
	clear(s.order)
	s.order, s.list = s.order[:0], s.list[:0]
	textScratches.Put(s)
}

// checkTexts refuses the codecs of other columns: a programmer's error.
func checkTexts(c Codec) {
	if c != Strings && c != PointTags {
		panic("chunk: texts under the codec " + c.String())
	}
}

func uvarintSize(v uint64) int { return max(1, (bits.Len64(v)+6)/7) }

// codeWidth is the number of bits that tell d texts apart.
func codeWidth(d int) int { return bits.Len64(uint64(d - 1)) }

func appendLengths(dst []byte, v []string) []byte {
	for _, t := range v {
		dst = binary.AppendUvarint(dst, uint64(len(t)))
	}
	return dst
}

func appendBytes(dst []byte, v []string) []byte {
	for _, t := range v {
		dst = append(dst, t...)
	}
	return dst
}

func appendCodes(dst []byte, codes []int, w int) []byte {
	var word uint64
	have := 0
	for _, c := range codes {
		word |= uint64(c) << have
		for have += w; have >= 8; have -= 8 {
			dst = append(dst, byte(word))
			word >>= 8
		}
	}
	if have > 0 {
		dst = append(dst, byte(word))
	}
	return dst
}

// DecodeTexts reads a payload that AppendTexts made of len(dst) texts under the same codec. Its error wraps ErrDamaged or
// ErrUnknown; dst then holds anything. It allocates in proportion to the payload, and equal texts of a dictionary
// share their bytes, which are not those of src.
func DecodeTexts(dst []string, c Codec, src []byte) error {
	checkTexts(c)
	if len(src) == 0 {
		return damaged(c, "length", 0)
	}
	if Codec(src[0]&codecMask) != c {
		return unknown(src[0])
	}
	flags := src[0] &^ codecMask
	if len(dst) == 0 {
		if len(src) != 1 {
			return damaged(c, "length for no values", len(src))
		}
		return nil
	}
	switch flags {
	case 0:
		return decodeTexts(dst, c, src[1:])
	case flagDictionary:
		return decodeDictionary(dst, c, src[1:])
	}
	return damaged(c, "flags", int(flags))
}

// decodeTexts reads lengths and bytes of len(dst) texts and nothing else.
func decodeTexts(dst []string, c Codec, src []byte) error {
	lengths := header{src: src}
	h := lengths
	total := 0
	for range dst {
		total += h.count(len(src))
	}
	if h.bad || h.at > len(src) || total != len(src)-h.at {
		return damaged(c, "bytes of texts", len(src))
	}
	all := string(src[h.at:])
	at := 0
	for i := range dst {
		n := lengths.count(len(src))
		dst[i] = all[at : at+n]
		at += n
	}
	return nil
}

// decodeDictionary reads a dictionary and codes.
func decodeDictionary(dst []string, c Codec, src []byte) error {
	h := header{src: src}
	d := h.count(len(dst)-1) + 1
	lengths := h
	total := 0
	for range d {
		total += h.count(len(src))
	}
	w := codeWidth(d)
	size := (len(dst)*w + 7) / 8
	if h.bad || h.at > len(src) || size > len(src)-h.at || total != len(src)-h.at-size {
		return damaged(c, "dictionary of", d)
	}
	codes := src[h.at : h.at+size]
	all := string(src[h.at+size:])
	var few [64]string
	texts := few[:]
	if d > len(few) {
		texts = make([]string, d) // d is at most len(dst), and at most the lengths that were read
	}
	at := 0
	for i := range d {
		n := lengths.count(len(src))
		texts[i] = all[at : at+n]
		at += n
	}
	var word uint64
	have, next := 0, 0
	for i := range dst {
		for have < w {
			word |= uint64(codes[next]) << have
			next++
			have += 8
		}
		code := int(word & lowBits(uint(w)))
		word >>= w
		have -= w
		if code >= d {
			return damaged(c, "code", code)
		}
		dst[i] = texts[code]
	}
	if word != 0 {
		return damaged(c, "bits behind code", len(dst))
	}
	return nil
}

// TextsCodec names the codec of a payload that AppendTexts made, and says whether it has a dictionary.
func TextsCodec(src []byte) (c Codec, dictionary bool) {
	if len(src) == 0 {
		return 0, false
	}
	return Codec(src[0] & codecMask), src[0]&flagDictionary != 0
}
