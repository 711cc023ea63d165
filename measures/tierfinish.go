package measures

import (
	"slices"
	"sort"

	"granary/metricdef"
	"granary/policy"
)

// When buckets are finished: when raw samples of at least tierBuckets of the finest tier, or tierSamples of them, lie behind the
// border. Until then they are computed when they are asked for. Fewer at a time would cost writes more, more would cost reads more.
const (
	tierBuckets = 300
	tierSamples = 2048
	// Where a bucket has many samples, encoding it costs them little.
	tierFew, tierFill = 256, 16
	// tierBulk bounds the samples that are taken up at once, by whole chunks.
	tierBulk = 64 << 10
)

// tending is a series whose buckets are to be looked at, and the border up to which they may be finished.
type tending struct {
	ref   metricdef.Ref
	limit int64
	force bool // finish also what is not worth it yet
}

// TendTiers finishes the buckets of series that have enough raw samples behind their windows.
func (s *Store) TendTiers() {
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	if !s.ready.Load() {
		return
	}
	for _, sh := range s.shards {
		var list []tending
		// Between two groups: a batch that is half applied may have moved the border past samples that it still brings.
		s.com.mu.Lock()
		sh.mu.Lock()
		for _, ref := range sh.due {
			if st := sh.tiers[ref]; st != nil {
				st.due = false
				list = s.tendingOf(list, ref, false)
			}
		}
		sh.due = recycle(sh.due)
		sh.mu.Unlock()
		s.com.mu.Unlock()
		for _, t := range list {
			s.tend(t)
		}
	}
}

// tendingOf appends the work of a series, if its policy has tiers. REQUIRES: sh.mu, and that nothing is being applied.
func (s *Store) tendingOf(list []tending, ref metricdef.Ref, force bool) []tending {
	sr := s.table.at(ref)
	if sr == nil {
		return list
	}
	newest, ok := s.shardOf(ref).tierNewest(ref, sr)
	if plan := s.policyOf(ref, sr).tiers; plan != nil && ok {
		list = append(list, tending{ref, plan.limit(newest), force})
	}
	return list
}

// tend finishes the buckets of one series and computes stale ones anew. REQUIRES: s.maintenance.
func (s *Store) tend(t tending) {
	sr, sh := s.table.at(t.ref), s.shardOf(t.ref)
	pol := s.policyOf(t.ref, sr)
	if pol.tiers == nil {
		return
	}
	sh.mu.Lock()
	if _, ok := sh.tierNewest(t.ref, sr); !ok {
		sh.mu.Unlock()
		return // its definition has ended
	}
	sh.bill(sr)
	sh.fitColumns(s, t.ref, sr, pol.tiers)
	sh.mu.Unlock()
	job := &s.tierJob
	job.w = tierWorks.Get().(*tierWork)
	for again := true; again; {
		job.s, job.sh, job.ref, job.sr, job.plan = s, sh, t.ref, sr, pol.tiers
		job.stale, job.columns, job.bytes, job.step = nil, job.columns[:0], job.bytes[:0], 0
		again = job.choose(t) && job.do()
		for i := range job.columns {
			job.columns[i].old.dropDeferred()
		}
	}
	job.w.release()
	job.w = nil
}

// fitColumns gives a series the columns that its policy names and takes away the others. REQUIRES: s.maintenance, sh.mu.
func (sh *shard) fitColumns(s *Store, ref metricdef.Ref, sr *series, plan *tierPlan) {
	st := sh.tierState(ref, sr)
	want := len(plan.tiers) * len(plan.stored)
	fits := len(st.columns) == want
	for i := 0; fits && i < want; i++ {
		c := &st.columns[i]
		fits = c.step == int64(plan.tiers[i/len(plan.stored)].Granularity) && c.method == plan.stored[i%len(plan.stored)]
	}
	if fits {
		return
	}
	st.changed++
	next := make([]tierColumn, 0, want)
	for _, t := range plan.tiers {
		for _, m := range plan.stored {
			if c := st.column(int64(t.Granularity), m); c != nil {
				next = append(next, *c)
				c.chunks = nil
				continue
			}
			next = append(next, tierColumn{step: int64(t.Granularity), method: m, done: minTime, born: uint64(s.manifest.NextFile) << 32})
		}
	}
	for i := range st.columns {
		sh.dropTierChunks(s, &st.columns[i], len(st.columns[i].chunks))
	}
	st.columns = next
	sh.weighTiers(st)
}

// dropTiers takes away all that a series has of tiers. REQUIRES: sh.mu.
func (sh *shard) dropTiers(s *Store, ref metricdef.Ref, sr *series) {
	if st := sh.tiers[ref]; st != nil {
		for i := range st.columns {
			sh.dropTierChunks(s, &st.columns[i], len(st.columns[i].chunks))
		}
		sh.counts.held.tiers -= st.weight
	}
	delete(sh.tiers, ref)
	sr.flags &^= hasTiers
}

// dropTierChunks takes away the oldest chunks of a column. REQUIRES: sh.mu.
func (sh *shard) dropTierChunks(s *Store, c *tierColumn, n int) {
	if n == 0 {
		return
	}
	for i := range c.chunks[:n] {
		sh.letGo(s, &c.chunks[i])
	}
	sh.setTierChunks(c, slices.Clone(c.chunks[n:]))
}

// setTierChunks gives a column another list of chunks. REQUIRES: sh.mu.
func (sh *shard) setTierChunks(c *tierColumn, list []entry) {
	sh.counts.held.lists += int64(cap(list)-cap(c.chunks)) * entryBytes
	c.chunks = list
}

// tierJob computes one stretch of buckets of a series, for all columns: those behind the finished ones, or those that one stale
// span touches. It gathers under the lock, computes without it, and puts the result in its place if nothing has changed
// meanwhile. There is one a store, since finishing REQUIRES: s.maintenance; it keeps its memory.
type tierJob struct {
	s    *Store
	sh   *shard
	ref  metricdef.Ref
	sr   *series
	plan *tierPlan
	w    *tierWork

	changed uint64
	stale   *staleSpan // nil: buckets behind the finished ones
	limit   int64      // of the buckets to finish
	columns []*columnJob
	spare   []*columnJob
	need    []span
	times   []int64
	values  []float64
	bytes   []byte // of the chunks
	step    int64  // of the buckets in w.runs, which lie in runs
	runs    span
}

// columnJob is the part of a job that belongs to one column: chunks from to till are replaced by made.
type columnJob struct {
	column     int // index in tierState.columns
	step       int64
	method     policy.Method
	lo, hi     int64
	gone       []span // buckets that are no more
	from, till int
	old        Reader // buckets of the replaced chunks
	onDisk     bool   // a segment holds one of them
	start, end int64  // starts of the first and the last bucket that the new ones have to cover in their stead
	done       int64
	made       []tierChunk
}

// choose looks what is to be done next, false if nothing is, and gathers it.
func (j *tierJob) choose(t tending) bool {
	sh, sr := j.sh, j.sr
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	st := sh.tiers[j.ref]
	if st == nil {
		return false
	}
	j.changed, j.limit = st.changed, t.limit
	j.w.raw.reset()
	if !j.chooseStale(st) && !j.chooseNew(st, t.force) {
		return false
	}
	j.need = j.need[:0]
	for _, c := range j.columns {
		if c.lo < c.hi {
			j.need = append(j.need, span{c.lo, c.hi})
		}
		col := &st.columns[c.column]
		j.replaced(c, col)
		for k := c.from; k < c.till; k++ {
			c.old.addChunk(j.s, sh, j.ref, &col.chunks[k], grid{step: col.step}, minTime-col.step, maxTime)
		}
	}
	j.w.gather(j.s, sh, j.ref, sr, joinSpans(j.need), j.plan.rates)
	return true
}

// chooseStale takes the first stale span, but for those that take buckets away which are not finished yet: these are left out
// when they are. REQUIRES: sh.mu, at least for reading.
func (j *tierJob) chooseStale(st *tierState) bool {
	done := int64(maxTime)
	for i := range st.columns {
		done = min(done, st.columns[i].done)
	}
	for k := range st.stale {
		s := &st.stale[k]
		if s.limit != 0 && s.raw > s.from && min(bucketEnd(s.to, j.plan.coarsest), s.limit) > done {
			continue
		}
		j.stale = new(staleSpan)
		*j.stale = *s
		one := tierState{stale: st.stale[k : k+1]}
		for i := range st.columns {
			c := &st.columns[i]
			raw, gone := one.staleIn(c.step, minTime-c.step, c.done)
			switch {
			case len(raw) > 0:
				j.add(i, c, raw[0].from, raw[0].to, c.done).gone = gone // one span makes one range
			case len(gone) > 0:
				j.add(i, c, gone[0].from, gone[0].from, c.done).gone = gone
			}
		}
		return true
	}
	return false
}

// chooseNew takes buckets behind the finished ones. REQUIRES: sh.mu, at least for reading.
func (j *tierJob) chooseNew(st *tierState, force bool) bool {
	first := int64(maxTime)
	for i := range st.columns {
		first = min(first, st.columns[i].done)
	}
	oldest := j.sr.oldestRaw(j.sh, j.ref)
	first = max(first, min(oldest, j.limit))
	if first >= j.limit && j.settled(st) {
		return false
	}
	// Whole chunks up to the bulk; the rest comes with the next job.
	n, limit := 0, j.limit
	for i := j.sr.chunkAt(first); i < len(j.sr.chunks) && j.sr.chunks[i].start < limit; i++ {
		if n += j.sr.chunks[i].shape.span(); n >= tierBulk {
			if i+1 < len(j.sr.chunks) {
				limit = max(min(limit, bucketOf(j.sr.chunks[i+1].start, j.plan.coarsest)), bucketEnd(first+1, j.plan.coarsest))
			}
			break
		}
	}
	limit = min(limit, j.limit)
	buckets := int((limit - first) / j.plan.finest)
	if !force && n < tierSamples && buckets < tierBuckets && (n < tierFew || n < tierFill*buckets) {
		return false
	}
	for i := range st.columns {
		c := &st.columns[i]
		if done := bucketOf(limit, c.step); done > c.done {
			job := j.add(i, c, max(c.done, bucketOf(first, c.step)), done, done)
			if len(st.stale) > 0 {
				_, job.gone = st.staleIn(c.step, job.lo, done)
			}
		}
	}
	return len(j.columns) > 0
}

// add gives the job a column. REQUIRES: sh.mu, at least for reading.
func (j *tierJob) add(column int, col *tierColumn, lo, hi, done int64) *columnJob {
	n := len(j.columns)
	if n == len(j.spare) {
		j.spare = append(j.spare, new(columnJob))
	}
	c := j.spare[n]
	*c = columnJob{column: column, step: col.step, method: col.method, lo: lo, hi: hi, done: done, old: c.old, made: c.made[:0]}
	c.old.reset()
	j.columns = append(j.columns, c)
	return c
}

// settled says whether no column can be finished further. REQUIRES: sh.mu, at least for reading.
func (j *tierJob) settled(st *tierState) bool {
	for i := range st.columns {
		if c := &st.columns[i]; bucketOf(j.limit, c.step) > c.done {
			return false
		}
	}
	return true
}

// replaced says which chunks of a column the job takes the place of: those that it overlaps; and, for buckets behind the last
// one, short chunks at the end that are no longer than what comes, so that a bucket is encoded about as often as the logarithm
// of a chunk's length. REQUIRES: sh.mu, at least for reading.
func (j *tierJob) replaced(c *columnJob, col *tierColumn) {
	n := len(col.chunks)
	c.from, c.till = n, n
	if j.stale != nil {
		first, last := c.lo, c.hi-col.step
		if len(c.gone) > 0 {
			first, last = min(first, c.gone[0].from), max(last, c.gone[len(c.gone)-1].to-col.step)
		}
		for c.from = col.from(first); c.from < n && col.tierEnd(c.from) < first; c.from++ {
		}
		for c.till = c.from; c.till < n && col.chunks[c.till].start <= last; c.till++ {
		}
	} else {
		for size := (c.hi - c.lo) / col.step; c.from > 0; c.from-- {
			e := &col.chunks[c.from-1]
			held := int64(e.shape.span())
			if held > size || held >= tierSlots/4 {
				break
			}
			size += held
		}
	}
	for k := c.from; k < c.till; k++ {
		c.onDisk = c.onDisk || col.chunks[k].seg != 0
	}
	if c.from < c.till {
		c.start, c.end = col.chunks[c.from].start, col.tierEnd(c.till-1)
	}
}

// do computes what was chosen and puts it in its place. It is false if there is nothing more to do for now.
func (j *tierJob) do() bool {
	if err := j.w.ready(j.plan.rates); err != nil {
		j.s.o.Logger.Error("tiers: raw samples could not be read", "ref", j.ref, "error", err)
		return false
	}
	for i := range j.columns {
		c := j.columns[i]
		if err := c.old.finish(); err != nil {
			j.s.o.Logger.Error("tiers: finished buckets could not be read", "ref", j.ref, "error", err)
			return false
		}
		j.encode(c)
	}
	return j.publish()
}

// encode makes the chunks of one column.
func (j *tierJob) encode(c *columnJob) {
	step := c.step
	if want := (span{c.lo, c.hi}); j.step != step || j.runs != want {
		j.w.cut(step, c.lo, c.hi)
		j.w.all(j.plan.stored)
		j.step, j.runs = step, want
	}
	old := &c.old
	times, values := j.times[:0], j.values[:0]
	k := 0
	for ; k < len(old.Times) && old.Times[k] < c.lo; k++ {
		if !inSpans(c.gone, old.Times[k]) {
			times, values = append(times, old.Times[k]), append(values, old.Values[k])
		}
	}
	mark := len(times)
	times, values = j.w.pick(slices.Index(j.plan.stored, c.method), times, values)
	if j.stale == nil && len(c.gone) > 0 {
		n := mark
		for i := mark; i < len(times); i++ {
			if !inSpans(c.gone, times[i]) {
				times[n], values[n] = times[i], values[i]
				n++
			}
		}
		times, values = times[:n], values[:n]
	}
	for ; k < len(old.Times); k++ {
		if t := old.Times[k]; t >= c.hi && !inSpans(c.gone, t) {
			times, values = append(times, t), append(values, old.Values[k])
		}
	}
	switch n := len(times); {
	case n > 0 && c.from == c.till:
		c.start, c.end = times[0], times[n-1]
	case n > 0:
		c.start, c.end = min(c.start, times[0]), max(c.end, times[n-1])
	case !c.onDisk:
		return
	}
	c.made, j.bytes = appendTierChunks(c.made, j.bytes, step, times, values, c.start, c.end)
	j.times, j.values = times, values
}

// publish puts the chunks of the job into their places, if what they were made of is as it was. The raw samples that only the
// tiers needed go.
func (j *tierJob) publish() bool {
	sh, sr := j.sh, j.sr
	sh.mu.Lock()
	defer sh.mu.Unlock()
	st := sh.tiers[j.ref]
	if st == nil || st.changed != j.changed {
		return false
	}
	sh.bill(sr)
	for i := range j.columns {
		c := j.columns[i]
		if !sh.putTier(&st.columns[c.column], c) {
			for k := range j.columns[:i+1] {
				j.columns[k].takeBack(sh)
			}
			return false
		}
	}
	for i := range j.columns {
		c := j.columns[i]
		col := &st.columns[c.column]
		for k := c.from; k < c.till; k++ {
			sh.letGo(j.s, &col.chunks[k])
		}
		sh.setTierChunks(col, slices.Concat(col.chunks[:c.from], c.entries(), col.chunks[c.till:]))
		col.done = max(col.done, c.done)
	}
	if j.stale != nil {
		if i := slices.Index(st.stale, *j.stale); i >= 0 {
			st.stale = slices.Delete(st.stale, i, i+1)
		}
	}
	if j.plan.window {
		sh.dropFinished(j.s, j.ref, sr, j.plan)
	}
	return true
}

// dropFinished gives up the raw samples that live only until their buckets are finished. Chunks go as a whole, and what came late
// stays as long as the chunk that it belongs to: without it that chunk would show what is no more. REQUIRES: sh.mu.
func (sh *shard) dropFinished(s *Store, ref metricdef.Ref, sr *series, plan *tierPlan) {
	need := sh.rawNeeded(ref, sr, plan)
	if need <= minTime || sr.flags&hasData == 0 {
		return
	}
	if start := sr.chunkBefore(need); start > minTime {
		need = start
	}
	sh.drop(s, ref, sr, sight{from: min(need, sr.newest)})
}

// takeBack gives the memory of the chunks back. REQUIRES: sh.mu.
func (c *columnJob) takeBack(sh *shard) {
	for i := range c.made {
		if m := &c.made[i]; m.mem != 0 {
			sh.chunks.Free(m.mem)
		}
	}
}

// entries are the chunks that were made, in their places.
func (c *columnJob) entries() []entry {
	list := make([]entry, 0, len(c.made))
	for _, m := range c.made {
		list = append(list, m.entry)
	}
	return list
}

// putTier stores the bytes of the chunks of a column; false if there is no memory. REQUIRES: sh.mu.
func (sh *shard) putTier(col *tierColumn, c *columnJob) bool {
	for i := range c.made {
		m := &c.made[i]
		mem, err := sh.chunks.Put(tierWindow(col.step, m.start), m.bytes)
		if err != nil || mem == 0 {
			return false
		}
		m.mem = mem
		sh.counts.sealed++
		sh.counts.sealedBytes += int64(len(m.bytes))
	}
	return true
}

// promoteTier keeps the bytes of a chunk of a tier in memory that only a segment held. REQUIRES: sh.mu.
func (sh *shard) promoteTier(ref metricdef.Ref, start int64, loc segLoc, b []byte) {
	if c, i := sh.tierChunk(ref, start, loc); c != nil && c.chunks[i].mem == 0 {
		if mem, err := sh.chunks.Put(tierWindow(c.step, start), b); err == nil && mem != 0 {
			c.chunks[i].mem = mem
			sh.counts.held.saved += sh.chunks.Size(mem)
		}
	}
}

// tierChunk finds the chunk of a tier at a place in a segment. REQUIRES: sh.mu, at least for reading.
func (sh *shard) tierChunk(ref metricdef.Ref, start int64, loc segLoc) (*tierColumn, int) {
	st := sh.tiers[ref]
	if st == nil {
		return nil, 0
	}
	for k := range st.columns {
		c := &st.columns[k]
		i := sort.Search(len(c.chunks), func(i int) bool { return c.chunks[i].start >= start })
		if i < len(c.chunks) && c.chunks[i].start == start && c.chunks[i].seg == loc {
			return c, i
		}
	}
	return nil, 0
}
