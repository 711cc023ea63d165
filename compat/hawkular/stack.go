package hawkular

import (
	"math"
	"slices"

	"granary/measures/query"
)

// stack adds up, bucket by bucket, what several metrics have there. As its number of samples, a bucket has that of the metrics with a
// value in it.
type stack struct {
	columns *columns
	rows    map[int64]int // by the times of buckets
	times   []int64
	sums    [][]float64 // by column, then by row
	filled  [][]bool
}

// add adds the frame of one metric.
func (s *stack) add(f *query.Frame) {
	if s.rows == nil {
		s.rows = make(map[int64]int, f.Len())
		s.sums, s.filled = make([][]float64, len(f.Columns)), make([][]bool, len(f.Columns))
	}
	for i := range f.Len() {
		t := f.Time(i)
		row, ok := s.rows[t]
		if !ok {
			row = len(s.times)
			s.rows[t] = row
			s.times = append(s.times, t)
			for j := range s.sums {
				s.sums[j], s.filled[j] = append(s.sums[j], 0), append(s.filled[j], false)
			}
		}
		for j, column := range f.Columns {
			switch {
			case j == s.columns.samples:
				s.sums[j][row]++
			case !f.HasIn(j, i):
				continue
			default:
				s.sums[j][row] += column[i]
			}
			s.filled[j][row] = true
		}
	}
}

// frame is the sums as if they were the statistics of one metric. What has no value is no number in it.
func (s *stack) frame() *query.Frame {
	order := make([]int, len(s.times))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if s.times[a] < s.times[b] {
			return -1
		}
		return 1
	})
	f := &query.Frame{Columns: make([][]float64, len(s.sums)), ColumnPresent: make([]query.Bitmap, len(s.sums))}
	for _, row := range order {
		f.Times = append(f.Times, s.times[row])
		for j := range s.sums {
			v := s.sums[j][row]
			if !s.filled[j][row] {
				v = math.NaN()
			}
			f.Columns[j] = append(f.Columns[j], v)
		}
	}
	return f
}
