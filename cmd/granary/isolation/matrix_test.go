package isolation_test

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// demand is what an operation asks of who wants it.
type demand uint8

const (
	open     demand = iota // nothing
	identify               // that somebody shows who they are
	enter                  // any role in the tenant
	read
	write
	manage
	operate
)

// demands are what all operations ask, by their ids in the document. What is open is so by the list of the design; all else asks
// for identity.
var demands = map[string]demand{
	"landing": open, "health": open, "ready": open, "documentYAML": open, "documentJSON": open, "page": open, "pageFile": open,
	"errorCodes": open, "errorCode": open, "cooprStatus": open,

	"metrics": identify,

	"status": enter, "capabilities": enter, "readTenant": enter, "readLimits": enter, "readQueues": enter,

	"listMetrics": read, "searchMetrics": read, "readMetric": read, "listTags": read, "listTagValues": read, "cardinality": read,
	"getQuery": read, "query": read, "listPolicies": read, "readPolicy": read, "listRules": read, "readRule": read,
	"getUsage": read, "getUsageNodes": read, "readIdentity": identify,

	"writeMeasures": write, "createMetrics": write, "updateMetric": write,

	"deleteMeasures": manage, "deleteMeasuresBy": manage, "deleteMetric": manage, "deleteMetrics": manage,
	"createPolicy": manage, "updatePolicy": manage, "deletePolicy": manage, "createRule": manage, "updateRule": manage, "deleteRule": manage,
	"listKeys": manage, "createKey": manage, "readKey": manage, "updateKey": manage, "deleteKey": manage,

	"listTenants": operate, "createTenant": operate, "updateTenant": operate, "deleteTenant": operate,

	"queryClusterCockpit": read, "queryClusterCockpitGET": read, "debugWindows": read, "healthcheckNodes": read, "writeLines": write, "freeWindows": manage,

	"hawkularRoot": open, "hawkularStatus": open, "hawkularPing": open, "hawkularTenants": identify, "hawkularTenantsAsDocumented": identify,

	"hawkularMetrics": read, "hawkularTagNames": read, "hawkularTagValues": read, "hawkularDefinitions": read, "hawkularDefinition": read, "hawkularTagValuesOfType": read,
	"hawkularTags": read, "hawkularExports": read, "hawkularRaw": read, "hawkularRawQuery": read, "hawkularRawByTags": read, "hawkularPeriods": read, "hawkularData": read,
	"hawkularDataOfSeveral": read, "hawkularStats": read, "hawkularStatsOfSeveral": read, "hawkularStatsQuery": read, "hawkularStatsOfTypes": read, "hawkularStatsBatch": read,
	"hawkularTaggedStats": read, "hawkularAvailabilityStats": read, "hawkularRate": read, "hawkularRateOld": read, "hawkularRateQuery": read, "hawkularRateStats": read,
	"hawkularRateStatsOfSeveral": read, "hawkularAlerts": read, "hawkularAlertsStatus": identify, "hawkularAvailabilityData": read,

	"hawkularWrite": write, "hawkularWriteOne": write, "hawkularWriteMixed": write, "hawkularWriteData": write, "hawkularWriteOneData": write, "hawkularWriteAvailabilityData": write, "hawkularWriteOneAvailabilityData": write,
	"hawkularCreate": write, "hawkularCreateMetric": write, "hawkularSetTags": write, "hawkularSetTagsOfMany": write, "hawkularDeleteTags": write,

	"hawkularDelete": manage, "hawkularDeleteRaw": manage,

	"hawkularAdminStatus": operate, "hawkularCreateTenant": operate, "hawkularDeleteTenant": operate, "hawkularOpenshift": operate,

	"gnocchiRoot": open, "gnocchiHealth": open, "gnocchiVersions": open, "gnocchiInfluxPing": open,

	"gnocchiCapabilities": read, "gnocchiPolicies": read, "gnocchiPolicy": read, "gnocchiRules": read, "gnocchiRule": read, "gnocchiMetrics": read, "gnocchiMetric": read,
	"gnocchiMeasures": read, "gnocchiMetricOfResource": read, "gnocchiMeasuresOfResource": read, "gnocchiSearchValues": read, "gnocchiResourceRoots": read, "gnocchiResources": read,
	"gnocchiResource": read, "gnocchiHistory": read, "gnocchiMetricsOfResource": read, "gnocchiSearchResources": read, "gnocchiResourceTypes": read, "gnocchiResourceType": read,
	"gnocchiAggregates": read, "gnocchiAggregationOfMetrics": read, "gnocchiAggregationOfMetricsOfBody": read, "gnocchiAggregationOfResources": read,

	"gnocchiCreateMetric": write, "gnocchiPostMeasures": write, "gnocchiPostMeasuresOfResource": write, "gnocchiPostBatch": write, "gnocchiPostBatchOfResources": write,
	"gnocchiCreateResource": write, "gnocchiChangeResource": write, "gnocchiAddMetrics": write, "gnocchiInfluxWrite": write, "gnocchiPrometheusWrite": write,

	"gnocchiDeleteMetric": manage, "gnocchiDeleteMetricOfResource": manage, "gnocchiDeleteResource": manage, "gnocchiDeleteResources": manage,

	"gnocchiStatus": operate, "gnocchiCreatePolicy": operate, "gnocchiChangePolicy": operate, "gnocchiDeletePolicy": operate, "gnocchiCreateRule": operate, "gnocchiRenameRule": operate,
	"gnocchiDeleteRule": operate, "gnocchiInfluxQuery": operate, "gnocchiCreateResourceType": operate, "gnocchiChangeResourceType": operate, "gnocchiDeleteResourceType": operate,

	"remoteWrite": write,
	"influxPing":  open, "influxHealth": open, "influxWrite": write, "influxWriteV2": write, "influxQuery": read, "influxQueryForm": read,

	"cooprQueues": manage, "cooprQueues3": manage, "cooprQueuesLoom": manage, "cooprUsage": manage, "cooprUsage3": manage, "cooprUsageLoom": manage,
}

// callers are those who ask for tenant A, and what they may do there.
var callers = []struct {
	name string
	credential
	may map[demand]bool
	// bound says that a trusted proxy has bound the request to tenant A.
	bound bool
}{
	{"nobody", credential{}, map[demand]bool{open: true}, false},
	{"a wrong token", credential{"admin", "wrong-wrong-wrong-wrong", true}, map[demand]bool{open: true}, false},
	{"a wrong key", credential{"admin", "gk_0123456789ab_" + strings.Repeat("A", 43), true}, map[demand]bool{open: true}, false},
	{"a wrong signature", credential{"admin", credentials("a")[0].secret[:200] + strings.Repeat("A", 86), true}, map[demand]bool{open: true}, false},
	{"a token without roles", credentials("a")[5], map[demand]bool{open: true, identify: true}, false},
	{"a reader", credentials("a")[2], map[demand]bool{open: true, identify: true, enter: true, read: true}, false},
	{"a writer", credentials("a")[3], map[demand]bool{open: true, identify: true, enter: true, write: true}, false},
	{"an administrator of another tenant", credentials("b")[0], map[demand]bool{open: true, identify: true}, false},
	{"an administrator", credentials("a")[0], map[demand]bool{open: true, identify: true, enter: true, read: true, write: true, manage: true}, false},
	{"an operator", operator, map[demand]bool{open: true, identify: true, enter: true, read: true, write: true, manage: true, operate: true}, false},
	{"an operator bound by a proxy", operator, map[demand]bool{open: true, identify: true, enter: true, read: true, write: true, manage: true}, true},
}

// TestEveryRouteDemandsItsRights asks for every operation of the document without rights, with too few and with enough. An
// operation that is not in the table fails the test.
func TestEveryRouteDemandsItsRights(t *testing.T) { demandRights(t, readDocument(t)) }

// TestEveryRouteDemandsItsRightsStrict does so for the operations of Hawkular in its strict mode.
func TestEveryRouteDemandsItsRightsStrict(t *testing.T) {
	d := readDocument(t)
	d.strict = true
	demandRights(t, d)
}

func demandRights(t *testing.T, d *document) {
	w := newWorld(t, "1", newClock(), d.strict)
	a := newParty("tenant-a", "ca", "zqa", 1, 1e6)
	g := &gen{d: d, p: a, now: w.clock.now()}
	for _, letter := range []string{"a", "b"} { // both exist
		r := &request{op: "writeMeasures", method: "POST", target: "/v2/measures", body: "m,cluster=c" + letter + ",hostname=h value=1"}
		r.set("Content-Type", "text/plain")
		r.set("Tenant", "tenant-"+letter)
		r.set("Authorization", "Bearer "+credentials(letter)[0].secret)
		if x := w.send(r); x.status != 200 {
			t.Fatal(x.text())
		}
	}
	r := &request{method: "POST", target: "/v2/keys", body: `{"subject":"s","roles":["reader"],"tenants":["tenant-a"]}`}
	g.sign(r, credentials("a")[0])
	made := w.send(r)
	if made.status != 201 {
		t.Fatal(made.text())
	}
	key := chances[1].re.FindStringSubmatch(string(made.body))[1]
	for _, op := range d.asked() {
		needs, ok := demands[op.id]
		if d.strict && op.id == "hawkularTenants" {
			needs = operate
		}
		if !ok {
			t.Errorf("%s %s (%s) is not in the table: what does it demand?", op.method, op.path, op.id)
			continue
		}
		for _, c := range callers {
			for range 3 {
				a.rng = rand.New(rand.NewPCG(a.rng.Uint64(), 1))
				r := g.valid(op)
				r.target = strings.ReplaceAll(r.target, "scope=service", "scope=tenant")
				r.target = ofTenants.ReplaceAllString(r.target, "${1}x=") // a parameter that says that it is for operators
				if op.path == "/v2/tenants/{tenant}" && needs == enter {
					r.target = "/v2/tenants/tenant-a"
				}
				if cc := strings.HasPrefix(op.path, "/api"); cc {
					r.target, r.body = strings.ReplaceAll(r.target, "cb", "ca"), strings.ReplaceAll(r.body, "cb", "ca")
				}
				switch op.id {
				case "createKey", "updateKey":
					r.body = `{"name":"n","roles":["reader"],"tenants":["tenant-a"]}`
					if op.id == "createKey" {
						r.body = `{"name":"n","subject":"s","roles":["reader"],"tenants":["tenant-a"]}`
					}
				}
				if strings.HasSuffix(op.path, "/{key}") {
					r.target = "/v2/keys/" + key
				}
				g.sign(r, c.credential)
				if c.bound {
					r.set("X-Project-Id", "tenant-a")
				}
				answer := w.send(r)
				checkRight(t, op, r, answer, needs, c.name, c.secret != "" && c.may[identify], c.may[needs])
				if op.method == "GET" && !strings.HasPrefix(op.path, "/api") && !coopr(r) && op.path != "/status" && !op.speaksGnocchi() {
					r.method = "HEAD"
					head := w.send(r)
					if (head.status == 401) != (answer.status == 401) || (head.status == 403) != (answer.status == 403) || len(head.body) > 0 {
						t.Errorf("HEAD %s for %s: %d, and GET %d", op.path, c.name, head.status, answer.status)
					}
				}
			}
		}
	}
}

var ofTenants = regexp.MustCompile(`([?&])(tenants?|all)=[^&]*`)

// checkRight holds an answer against what the caller may.
func checkRight(t *testing.T, op *operation, r *request, a *answer, needs demand, who string, known, may bool) {
	t.Helper()
	refused := a.status == 401 || a.status == 403
	code := string(a.body) + a.header.Get("X-Granary-Error")
	switch {
	case a.err != nil || a.status == 500 && !strings.Contains(string(a.body), "ParseInt"):
		t.Errorf("%s\nfor %s: %s", r.text(), who, a.text())
	case may && refused:
		t.Errorf("%s %s is refused to %s: %s", op.method, op.path, who, a.text())
	case may:
	case !known && a.status != 401:
		t.Errorf("%s %s lets %s in: %s\n%s", op.method, op.path, who, a.text(), r.text())
	case !known && a.header.Get("Www-Authenticate") == "":
		t.Errorf("%s %s does not say to %s what could be shown: %s", op.method, op.path, who, a.text())
	case known && coopr(r) && (a.status == 401 || a.status == 403 || a.status == 404): // each has its own, by the contract
	case known && a.status == 404 && op.id == "readTenant": // like one that does not exist
	case known && op.speaksGnocchi() && needs == operate && (a.status == 400 || a.status == 404): // what all may see is looked for, and bodies are looked at, before rights are
	case known && op.speaksHawkular() && needs == operate && a.status == 400 && strings.Contains(code, "admin-token"): // as the strict mode says it
	case known && a.status != 403:
		t.Errorf("%s %s lets %s in, who may not: %s\n%s", op.method, op.path, who, a.text(), r.text())
	case known && needs == operate && !strings.Contains(code, "right-missing") && !strings.Contains(code, "tenant-forbidden") && !strings.Contains(code, "operator-only"):
		t.Errorf("%s %s refuses %s without a code: %s", op.method, op.path, who, a.text())
	}
}
