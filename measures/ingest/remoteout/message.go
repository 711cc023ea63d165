package remoteout

import (
	"encoding/binary"
	"math"
	"slices"
)

// The forms of fields.
const (
	varint = 0
	eight  = 1
	length = 2
)

// Sample is a value at a time in milliseconds since 1970 UTC.
type Sample struct {
	Time  int64
	Value float64
}

// Series is a series with samples. Labels are names and values in turns; in the order in which a receiver wants them they are sorted
// by name.
type Series struct {
	Labels  []string
	Samples []Sample
	// Unit and Help are what 2.0 says of the series, "" for nothing.
	Unit, Help string
	// Histograms and Exemplars are how many of these the series has, all empty.
	Histograms, Exemplars int
}

// AppendV1 appends a message of remote write 1.0.
func AppendV1(dst []byte, list []Series) []byte {
	var series, inner []byte
	for i := range list {
		s := &list[i]
		series = series[:0]
		for k := 0; k+1 < len(s.Labels); k += 2 {
			inner = appendText(appendText(inner[:0], 1, s.Labels[k]), 2, s.Labels[k+1])
			series = AppendBytes(series, 1, inner)
		}
		for _, p := range s.Samples {
			inner = appendSample(inner[:0], p)
			series = AppendBytes(series, 2, inner)
		}
		for range s.Exemplars {
			series = AppendBytes(series, 3, nil)
		}
		for range s.Histograms {
			series = AppendBytes(series, 4, nil)
		}
		dst = AppendBytes(dst, 1, series)
	}
	return dst
}

// AppendV2 appends a message of remote write 2.0. Its symbols are in the order in which they are used first.
func AppendV2(dst []byte, list []Series) []byte {
	symbols, numbers := []string{""}, map[string]uint64{"": 0}
	number := func(text string) uint64 {
		n, ok := numbers[text]
		if !ok {
			n = uint64(len(symbols))
			symbols, numbers[text] = append(symbols, text), n
		}
		return n
	}
	var all, series, inner []byte
	for i := range list {
		s := &list[i]
		inner = inner[:0]
		for _, text := range s.Labels {
			inner = binary.AppendUvarint(inner, number(text))
		}
		series = AppendBytes(series[:0], 1, inner)
		for _, p := range s.Samples {
			inner = appendSample(inner[:0], p)
			series = AppendBytes(series, 2, inner)
		}
		for range s.Histograms {
			series = AppendBytes(series, 3, nil)
		}
		for range s.Exemplars {
			series = AppendBytes(series, 4, nil)
		}
		inner = AppendNumber(inner[:0], 1, 2) // a gauge
		inner = AppendNumber(inner, 3, number(s.Help))
		inner = AppendNumber(inner, 4, number(s.Unit))
		series = AppendBytes(series, 5, inner)
		all = AppendBytes(all, 5, series)
	}
	for _, text := range symbols {
		dst = binary.AppendUvarint(append(dst, 4<<3|length), uint64(len(text)))
		dst = append(dst, text...)
	}
	return append(slices.Grow(dst, len(all)), all...)
}

// appendSample appends what is in a sample. As senders do, it leaves out what is zero.
func appendSample(dst []byte, p Sample) []byte {
	if bits := math.Float64bits(p.Value); bits != 0 {
		dst = binary.LittleEndian.AppendUint64(append(dst, 1<<3|eight), bits)
	}
	return AppendNumber(dst, 2, uint64(p.Time))
}

// AppendNumber appends a field that is a number, unless it is 0.
func AppendNumber(dst []byte, number int, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(number)<<3|varint), v)
}

// AppendBytes appends a field that is a text or a message.
func AppendBytes(dst []byte, number int, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(number)<<3|length)
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendText(dst []byte, number int, text string) []byte {
	if text == "" {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(number)<<3|length)
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}
