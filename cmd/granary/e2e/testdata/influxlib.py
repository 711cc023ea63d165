"""Uses Debian's python3-influxdb on a server: address, port, user, password, time in seconds. It prints JSON."""

import json
import sys

from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError

host, port, user, password, base = sys.argv[1:]
base = int(base)
out = {}

client = InfluxDBClient(host, int(port), user, password)
out["version"] = client.ping()
client.create_database("site")
client.create_database("site")
out["databases"] = "site" in [d["name"] for d in client.get_list_database()]
client.create_retention_policy("week", "7d", 1, database="site")
client.switch_database("site")
points = [
    {
        "measurement": "cpu",
        "tags": {"host": "n%d" % (i % 3), "core id": "a=b,c %d" % (i % 2), "none": ""},
        "time": base + i,
        "fields": {"usage": i + 0.5, "count": i, "busy": i % 2 == 0, "state": 'so "called" \\ %d' % i, "left": None},
    }
    for i in range(250)
]
out["batches"] = client.write_points(points, time_precision="s", batch_size=100, tags={"dc": "east"})
out["alone"] = client.write_points(
    [{"measurement": "big", "time": (base + 1) * 1000, "fields": {"value": 2**53 + 1}}], time_precision="ms", consistency="one", retention_policy="week"
)
out["lines"] = client.write_points(["raw,host=n0 value=1.5 %d" % (base * 1000000), "raw,host=n1 value=-3 %d" % (base * 1000000)], time_precision="u", protocol="line")
zipped = InfluxDBClient(host, int(port), user, password, "site", gzip=True)
out["zipped"] = zipped.write_points([{"measurement": "zipped", "time": base, "fields": {"value": 7.25}}], time_precision="s")
try:
    client.write_points(["cpu,host=n0,dc=east usage=1 %d" % base, "cpu,host=n0 usage=", "raw,host=n2 value=9 %d" % base], time_precision="s", protocol="line")
    out["refused"] = 0
except InfluxDBClientError as e:
    out["refused"] = e.code
try:
    client.query("SELEC 1")
    out["nonsense"] = 0
except InfluxDBClientError as e:
    out["nonsense"] = e.code
client.close()
json.dump(out, sys.stdout)
