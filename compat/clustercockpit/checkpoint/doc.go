// Package checkpoint reads the checkpoint directories of cc-metric-store, so that a site can bring its history along.
//
// Walk hands over every readable run of samples, oldest snapshot first, then the write-ahead log. It promises to name
// every file, or part of one, that it could not use, and to let no damaged file stop it: a damaged snapshot is left out
// whole (it has no checksum that would tell good from bad), a damaged write-ahead log is read around. Import turns the
// runs into line protocol for a sink. Nothing here ever writes into the directory.
//
// # Layout
//
//	DIR/CLUSTER/HOST/FROM.bin     snapshot of [FROM, to), binary
//	DIR/CLUSTER/HOST/FROM.json    snapshot of [FROM, to), JSON
//	DIR/CLUSTER/HOST/current.wal  what came after the newest snapshot
//
// FROM is in Unix seconds. Values are float32 in .bin and .wal and are widened; JSON holds decimals. NaN, in JSON null,
// is a hole. All numbers are little-endian.
//
// # FROM.bin
//
//	u32 0xCC5B0001, i64 from, i64 to, level
//	level:  u32 count of metrics, metrics, u32 count of children, children
//	metric: u16 length + name, i64 frequency (s), i64 start (s), u32 n, n x f32
//	child:  u16 length + name, level
//
// start is the time of the first value itself.
//
// # FROM.json
//
//	{"from": s, "to": s, "metrics": {NAME: {"frequency": s, "start": s, "data": [...]}}, "children": {NAME: level}}
//
// # current.wal
//
//	u32 0xCC1DA701, records
//	record:  u32 0xCC1DA7A1, u32 length of payload, payload, u32 CRC-32 (IEEE) of payload
//	payload: i64 time (s), u16 length + metric, u8 count of levels, levels (u8 length + text), f32 value
//
// # Levels
//
// A level below the host is a type and its id glued together ("hwthread3", "accelerator00000000:49:00.0"). SplitLevel
// takes them apart again so that gluing gives the same text.
package checkpoint
