package demo

import (
	"bytes"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// Host reads what the Linux kernel tells about this machine below /proc, and turns it into line protocol. Rates are
// those since the last reading, so the first one has none. It is for one goroutine.
type Host struct {
	fsys    fs.FS // the root of the file system
	prefix  string
	last    counters
	lastAt  time.Time
	started bool
}

// counters are the growing numbers of one reading.
type counters struct {
	cpus      []cpuTimes // all together first, then each hardware thread
	netIn     uint64     // bytes
	netOut    uint64
	diskRead  uint64 // bytes
	diskWrite uint64
}

// cpuTimes are jiffies, as proc_stat(5) has them.
type cpuTimes struct {
	name                       string
	user, system, iowait, idle uint64
}

func (c cpuTimes) total() uint64 { return c.user + c.system + c.iowait + c.idle }

// NewHost reads from a file system with /proc and /sys (os.DirFS("/")), and names the host in its lines.
func NewHost(fsys fs.FS, cluster, hostname string) *Host {
	return &Host{fsys: fsys, prefix: ",cluster=" + escape(cluster) + ",hostname=" + escape(hostname)}
}

func escape(s string) string {
	return strings.NewReplacer(",", `\,`, " ", `\ `, "=", `\=`).Replace(s)
}

// HostMetric is a metric that Lines gives.
type HostMetric struct {
	Name string
	Sum  bool // combined by its sum, else by its mean
}

// HostMetrics are the metrics that Lines gives.
func HostMetrics() []HostMetric {
	return []HostMetric{
		{"cpu_load", false}, {"cpu_user", false}, {"cpu_system", false}, {"cpu_iowait", false}, {"cpu_idle", false},
		{"mem_used", true}, {"mem_cached", true}, {"net_bytes_in", true}, {"net_bytes_out", true}, {"disk_read", true}, {"disk_write", true},
	}
}

// Lines reads the host's state at a time and appends a line for each metric. Load and memory are as they are now; CPU is in percent,
// network and disks in bytes a second.
func (h *Host) Lines(dst []byte, now time.Time) ([]byte, error) {
	line := func(metric, part string, v float64) {
		dst = append(dst, metric...)
		dst = append(dst, h.prefix...)
		dst = append(dst, part...)
		dst = append(dst, " value="...)
		dst = strconv.AppendFloat(dst, v, 'f', -1, 64)
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, now.Unix(), 10)
		dst = append(dst, '\n')
	}
	const node = ",type=node"
	load, err := h.load()
	if err != nil {
		return dst, err
	}
	used, cached, err := h.memory()
	if err != nil {
		return dst, err
	}
	c, err := h.count()
	if err != nil {
		return dst, err
	}
	line("cpu_load", node, load)
	line("mem_used", node, used)
	line("mem_cached", node, cached)
	seconds := now.Sub(h.lastAt).Seconds()
	if h.started && seconds > 0 && len(c.cpus) == len(h.last.cpus) {
		for i, cpu := range c.cpus {
			part, before := node, h.last.cpus[i]
			if i > 0 {
				part = ",type=hwthread,type-id=" + strings.TrimPrefix(cpu.name, "cpu")
			}
			total := grown(cpu.total(), before.total())
			percent := func(a, b uint64) float64 { return float64(int(10000*grown(a, b)/max(total, 1))) / 100 }
			line("cpu_user", part, percent(cpu.user, before.user))
			line("cpu_system", part, percent(cpu.system, before.system))
			line("cpu_iowait", part, percent(cpu.iowait, before.iowait))
			line("cpu_idle", part, percent(cpu.idle, before.idle))
		}
		line("net_bytes_in", node, grown(c.netIn, h.last.netIn)/seconds)
		line("net_bytes_out", node, grown(c.netOut, h.last.netOut)/seconds)
		line("disk_read", node, grown(c.diskRead, h.last.diskRead)/seconds)
		line("disk_write", node, grown(c.diskWrite, h.last.diskWrite)/seconds)
	}
	h.last, h.lastAt, h.started = c, now, true
	return dst, nil
}

// grown is how much a counter has grown. One that fell was set back (a device is gone), and gives 0.
func grown(now, before uint64) float64 {
	if now < before {
		return 0
	}
	return float64(now - before)
}

func (h *Host) load() (float64, error) {
	b, err := fs.ReadFile(h.fsys, "proc/loadavg")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b))
	if len(fields) == 0 {
		return 0, fmt.Errorf("/proc/loadavg is %q", b)
	}
	return strconv.ParseFloat(fields[0], 64)
}

// memory gives bytes in use and bytes of the page cache.
func (h *Host) memory() (used, cached float64, err error) {
	b, err := fs.ReadFile(h.fsys, "proc/meminfo")
	if err != nil {
		return 0, 0, err
	}
	kib := make(map[string]float64)
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) >= 2 {
			if n, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				kib[f[0]] = float64(n) * 1024
			}
		}
	}
	return max(0, kib["MemTotal:"]-kib["MemAvailable:"]), kib["Cached:"], nil
}

func (h *Host) count() (c counters, err error) {
	b, err := fs.ReadFile(h.fsys, "proc/stat")
	if err != nil {
		return c, err
	}
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) < 6 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		n := numbers(f[1:])
		t := cpuTimes{name: f[0], user: n[0] + n[1], system: n[2], idle: n[3], iowait: n[4]}
		if len(n) > 6 {
			t.system += n[5] + n[6] // interrupts, hard and soft
		}
		c.cpus = append(c.cpus, t)
	}
	if b, err = fs.ReadFile(h.fsys, "proc/net/dev"); err != nil {
		return c, err
	}
	for line := range bytes.Lines(b) {
		name, rest, ok := strings.Cut(string(line), ":")
		if n := numbers(strings.Fields(rest)); ok && len(n) > 8 && strings.TrimSpace(name) != "lo" {
			c.netIn += n[0]
			c.netOut += n[8]
		}
	}
	return c, h.disks(&c)
}

// disks adds up the whole disks; their partitions and what is stacked upon them would count twice.
func (h *Host) disks(c *counters) error {
	b, err := fs.ReadFile(h.fsys, "proc/diskstats")
	if err != nil {
		return err
	}
	const sector = 512
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) < 10 || !h.whole(f[2]) {
			continue
		}
		n := numbers(f[3:])
		c.diskRead += n[2] * sector
		c.diskWrite += n[6] * sector
	}
	return nil
}

func (h *Host) whole(name string) bool {
	for _, virtual := range []string{"loop", "ram", "zram", "dm-", "md", "sr", "nbd"} {
		if strings.HasPrefix(name, virtual) {
			return false
		}
	}
	_, err := fs.Stat(h.fsys, "sys/block/"+name)
	return err == nil
}

// numbers reads fields as numbers; one that is none counts as 0.
func numbers(fields []string) []uint64 {
	n := make([]uint64, len(fields))
	for i, f := range fields {
		if v, err := strconv.ParseUint(f, 10, 64); err == nil {
			n[i] = v
		}
	}
	return n
}
