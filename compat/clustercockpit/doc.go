// Package clustercockpit speaks the dialect of cc-metric-store 1.5: /api/query, /api/write, /api/free, /api/debug and
// /api/healthcheck, and the Ed25519 tokens that guard them.
//
// It promises what cc-backend, cc-metric-collector and the scripts of sites rely on: paths, statuses, error texts, the
// members of an answer and their order, the number of decimals. Where the original loses data, answers by chance or
// writes invalid JSON it does better; DESIGN.md lists every difference with its reason.
//
// It holds no samples and no definitions. It translates a request, asks the store behind the small interfaces of
// store.go, and writes the answer. A read creates nothing.
package clustercockpit
