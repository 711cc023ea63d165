package isolation_test

// configuration is that of both worlds.
const configuration = `
granary:
  compat:
    clustercockpit: {cluster-tenants: {ca: tenant-a, cb: tenant-b}}
`

// sign adds who asks to a request.
func (g *gen) sign(r *request) { r.set("Tenant", g.p.id) }

// signs says whether a header field is one of those by which a request says who asks, and for whom.
func signs(name string) bool { return name == "Tenant" }
