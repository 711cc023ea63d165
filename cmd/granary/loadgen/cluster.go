package loadgen

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"
)

// Level says which part of a node a metric belongs to.
type Level uint8

const (
	Node Level = iota
	Socket
	Thread
	Accelerator
	numLevels
)

// tags are the type tags of a level, without the id.
var typeTags = [numLevels]string{Node: "node", Socket: "socket", Thread: "hwthread", Accelerator: "accelerator"}

// Metric is one metric of the simulated cluster.
type Metric struct {
	Name  string
	Level Level
	Kind  Kind
	// Sum says that series of it are combined by their sum, else by the mean. Only printed configurations tell.
	Sum bool
}

// Cluster describes what is simulated. It is stored in ledgers as JSON.
type Cluster struct {
	Name         string
	Hosts        int
	Sockets      int // of each host
	Threads      int // hardware threads of each host
	Accelerators int // of each host
	Metrics      []Metric
	Interval     time.Duration // between two steps
	Start        time.Time     // of step 0
	Seed         uint64
	Precision    time.Duration // unit of the time stamps that are sent: second, millisecond, microsecond or nanosecond
}

// builtin is the list of metrics that clusters of this kind usually collect, each level in the order of importance.
var builtin = []Metric{
	{"cpu_load", Node, Percent, false},
	{"cpu_user", Node, Percent, false},
	{"cpu_system", Node, Percent, false},
	{"cpu_iowait", Node, Sparse, false},
	{"mem_used", Node, Bytes, true},
	{"mem_cached", Node, Bytes, true},
	{"mem_bw", Node, Noisy, true},
	{"cpu_power", Node, Noisy, true},
	{"mem_power", Node, Noisy, true},
	{"net_bw", Node, Rate, true},
	{"net_bytes_in", Node, Counter, true},
	{"net_bytes_out", Node, Counter, true},
	{"net_pkts_in", Node, Counter, true},
	{"net_pkts_out", Node, Counter, true},
	{"ib_recv", Node, Rate, true},
	{"ib_xmit", Node, Rate, true},
	{"ib_recv_pkts", Node, Counter, true},
	{"ib_xmit_pkts", Node, Counter, true},
	{"disk_read", Node, Rate, true},
	{"disk_write", Node, Rate, true},
	{"disk_free", Node, Bytes, true},
	{"nfs4_read", Node, Sparse, true},
	{"nfs4_write", Node, Sparse, true},
	{"lustre_open", Node, Sparse, true},
	{"lustre_close", Node, Sparse, true},
	{"lustre_statfs", Node, Constant, true},
	{"lustre_read_bytes", Node, Rate, true},
	{"lustre_write_bytes", Node, Rate, true},
	{"ambient_temp", Node, Temperature, false},
	{"num_cpus", Node, Constant, true},

	{"socket_power", Socket, Noisy, true},
	{"socket_temp", Socket, Temperature, false},
	{"uncore_clock", Socket, Noisy, false},

	{"ipc", Thread, Noisy, false},
	{"flops_any", Thread, Rate, true},
	{"clock", Thread, Noisy, false},
	{"cpu_idle", Thread, Percent, false},

	{"acc_utilization", Accelerator, Percent, false},
	{"acc_mem_used", Accelerator, Bytes, true},
	{"acc_power", Accelerator, Noisy, true},
	{"acc_temp", Accelerator, Temperature, false},
}

// Builtin returns the built-in metrics: the first n of the node level and all others. n below zero is all.
func Builtin(n int) []Metric {
	var out []Metric
	for _, m := range builtin {
		if m.Level == Node {
			if n == 0 {
				continue
			}
			n--
		}
		out = append(out, m)
	}
	return out
}

// Named returns a metric for a name: the built-in one, else one of the node level with a kind that depends on the name.
func Named(name string) Metric {
	for _, m := range builtin {
		if m.Name == name {
			return m
		}
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return Metric{Name: name, Kind: Kind(h.Sum32() % uint32(numKinds))}
}

// maxSeries bounds what a description can ask for, for the keys are held in memory.
const maxSeries = 20_000_000

func (c *Cluster) validate() error {
	switch {
	case c.Name == "":
		return errors.New("the simulated cluster has no name")
	case c.Hosts < 1 || c.Sockets < 0 || c.Threads < 0 || c.Accelerators < 0:
		return fmt.Errorf("a cluster of %d hosts, each with %d sockets, %d threads and %d accelerators, cannot be simulated", c.Hosts, c.Sockets, c.Threads, c.Accelerators)
	case c.Interval < c.Precision || c.Interval <= 0:
		return fmt.Errorf("the interval of %v is too short for time stamps in units of %v", c.Interval, c.Precision)
	}
	switch c.Precision {
	case time.Second, time.Millisecond, time.Microsecond, time.Nanosecond:
	default:
		return fmt.Errorf("the precision %v is none of 1s, 1ms, 1us, 1ns", c.Precision)
	}
	for _, m := range c.Metrics {
		if m.Name == "" || m.Level >= numLevels || m.Kind >= numKinds {
			return fmt.Errorf("the metric %q cannot be simulated", m.Name)
		}
	}
	if per := c.perHost(); per == 0 {
		return errors.New("the simulated cluster has no series: no metric fits to its parts")
	} else if per > maxSeries || c.Hosts > maxSeries/per {
		return fmt.Errorf("%d hosts of %d series each are more than %d series", c.Hosts, per, maxSeries)
	}
	return nil
}

// count is how many parts of a level a host has.
func (c *Cluster) count(l Level) int {
	switch l {
	case Socket:
		return c.Sockets
	case Thread:
		return c.Threads
	case Accelerator:
		return c.Accelerators
	default:
		return 1
	}
}

// perHost is the number of series of a host.
func (c *Cluster) perHost() int {
	n := 0
	for _, m := range c.Metrics {
		n += c.count(m.Level)
	}
	return n
}

// host is the name of a host, "n0001" for the first.
func host(i int) string { return fmt.Sprintf("n%04d", i+1) }

// id is the type-id of a part of a host: its number, or for an accelerator a PCI address, as collectors send it.
func id(l Level, i int) string {
	if l == Accelerator {
		return fmt.Sprintf("%08X:%02X:00.0", i/32, (0x49+8*i)&0xff)
	}
	return fmt.Sprint(i)
}

// escapeName escapes a measurement for line protocol, and escapeTag a tag value.
var (
	escapeName = strings.NewReplacer(",", `\,`, " ", `\ `)
	escapeTag  = strings.NewReplacer(",", `\,`, " ", `\ `, "=", `\=`)
)
