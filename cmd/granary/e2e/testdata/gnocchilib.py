"""Uses gnocchiclient as a library, as Ceilometer and Aodh do, on the server that the first argument names, and prints one object of JSON."""

import json
import sys

from gnocchiclient import auth, exceptions
from gnocchiclient.v1 import client

endpoint, base = sys.argv[1], int(sys.argv[2])


def connect(user, project, roles):
    plugin = auth.GnocchiNoAuthPlugin(user_id=user, project_id=project, roles=roles, endpoint=endpoint)
    return client.Client(session_options={"auth": plugin})


service = connect("ceilometer", "service", "service")
paul = connect("paul", "pages", "member")

# What Ceilometer's publisher does: measures first, and what they are of when the server does not know it.
measures = {"vm-%d" % n: {"cpu": [{"timestamp": base + 300 * k, "value": n + k} for k in range(3)]} for n in range(5)}
ids, unknown = {}, []
try:
    service.metric.batch_resources_metrics_measures(measures, create_metrics=True)
except exceptions.BadRequest as e:
    unknown = [r["original_resource_id"] for r in e.message["detail"]]
for name in unknown:
    ids[name] = service.resource.create("generic", {"id": name, "project_id": "pages"})["id"]
service.metric.batch_resources_metrics_measures({ids[name]: m for name, m in measures.items()}, create_metrics=True)

pages, marker = [], None
while True:
    page = paul.resource.list(limit=2, marker=marker, sorts=["original_resource_id:asc"])
    if not page:
        break
    pages.append([r["original_resource_id"] for r in page])
    marker = page[-1]["id"]

try:
    paul.metric.add_measures("cpu", [{"timestamp": base, "value": 1}], resource_id=ids["vm-1"])
    refused = ""
except exceptions.Forbidden as e:
    refused = type(e).__name__

together = paul.aggregates.fetch(["aggregate", "sum", ["metric", "cpu", "mean"]], search={"like": {"original_resource_id": "vm-%"}}, granularity=300)
print(json.dumps({
    "unknown": sorted(unknown),
    "pages": pages,
    "metrics": len(paul.metric.list()),
    "measures": [[int(t.timestamp()) - base, g, v] for t, g, v in paul.metric.get_measures("cpu", resource_id=ids["vm-3"])],
    "together": [v for _, _, v in together["measures"]["aggregated"]],
    "refused": refused,
}))
