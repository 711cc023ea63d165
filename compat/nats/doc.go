// Package nats reads line protocol from NATS subjects: ClusterCockpit's way in beside HTTP.
//
// A Client holds one connection and any number of subscriptions, each with its own cluster, tenant and kind. Messages are
// gathered into bodies and given to a Writer, which journals them.
//
// It promises: it connects and reconnects for ever, also when the broker is down at the start; the lines of two
// subscriptions never meet in one body; a bad line costs no other line of any message; what had to be dropped is counted
// by subscription. A plain subscription has no acknowledgement, so what is in flight when the process is killed is gone. A
// durable one goes through a JetStream consumer and acknowledges after the journal, so it loses nothing; the same message
// may then come twice, which is harmless where the lines carry their times.
//
// It never publishes but acknowledgements, makes no streams, and reads nothing before Start.
package nats
