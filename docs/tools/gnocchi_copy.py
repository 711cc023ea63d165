#!/usr/bin/env python3
"""Brings what a Gnocchi server has to Granary. docs/migrating-from-gnocchi.md says how it is used.

    gnocchi_copy.py read     http://gnocchi:8041 DIR    policies, rules, types, resources, metrics and measures, into files
    gnocchi_copy.py policies DIR http://granary:8082    makes archive policies and rules
    gnocchi_copy.py measures DIR http://granary:8082    makes metrics without a resource, and writes measures

Between the second and the third, "granary import resources DIR/resources.json" makes types, resources and their metrics. It needs nothing
but Python 3.6 or later.
"""

import argparse
import base64
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime

BATCH = 50000  # measures in one request
GENERIC = ("id", "original_resource_id", "type", "creator", "created_by_user_id", "created_by_project_id", "user_id", "project_id",
           "started_at", "ended_at", "revision_start", "revision_end", "metrics")


class Server:
    """A server that speaks Gnocchi's API."""

    def __init__(self, url, headers):
        self.url = url.rstrip("/")
        if not self.url.endswith("/v1"):
            self.url += "/v1"
        self.ignored = {}  # by reason, how many measures were not stored
        self.headers = dict(h.split(":", 1) for h in headers) or as_user("admin")

    def ask(self, method, path, body=None, headers=None, missing=()):
        """The answer, and the address of the next page; None for a status that is missing."""
        url = path if "://" in path else self.url + path
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method)
        request.add_header("Accept", "application/json")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in (headers or self.headers).items():
            request.add_header(name.strip(), value.strip())
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                text = answer.read()
                for part in filter(None, (answer.headers.get("X-Granary-Ignored") or "").split(",")):
                    reason, _, count = part.strip().partition("=")
                    self.ignored[reason] = self.ignored.get(reason, 0) + int(count)
                following = re.search(r'<([^>]*)>; rel="?next"?', answer.headers.get("Link") or "")
                return (json.loads(text.decode()) if text else None), following and following.group(1)
        except urllib.error.HTTPError as error:
            if error.code in missing:
                return None, None
            sys.exit("%s %s: %d %s" % (method, url, error.code, error.read().decode(errors="replace")[:2000]))

    def get(self, path, missing=()):
        return self.ask("GET", path, missing=missing)[0]

    def pages(self, path):
        """All of a list that comes in pages."""
        while path:
            page, following = self.ask("GET", path)
            yield from page
            # A page that is full has a next one even if nothing is behind it; the host that a proxy put into the link may be another.
            path = following and self.url + urllib.parse.urlsplit(following)._replace(scheme="", netloc="").geturl().split("/v1", 1)[1]


def as_user(creator):
    """The header fields of who made something: a name, or a user and a project."""
    user, colon, project = creator.partition(":")
    if colon:
        return {"X-User-Id": user, "X-Project-Id": project, "X-Roles": "member"}
    return {"Authorization": "basic " + base64.b64encode((user + ":").encode()).decode()}


def lines(directory, name):
    with open(os.path.join(directory, name)) as file:
        for line in file:
            yield json.loads(line)


def seconds(text):
    return datetime.strptime(text[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()


def read(args):
    source = Server(args.url, args.header)
    os.makedirs(args.directory, exist_ok=True)

    def create(name):
        return open(os.path.join(args.directory, name), "w")

    with create("policies.json") as out:
        for policy in source.get("/archive_policy"):
            print(json.dumps(policy), file=out)
    with create("rules.json") as out:
        for rule in source.get("/archive_policy_rule"):
            print(json.dumps(rule), file=out)

    metrics = list(source.pages("/metric"))
    by_resource = {}
    for metric in metrics:
        by_resource.setdefault(metric["resource_id"], []).append(metric)
    types = [t for t in source.get("/resource_type") if t["name"] != "generic"]
    with create("resources.json") as out:
        for typ in types:
            attributes = [dict({k: v for k, v in spec.items() if v is not None}, name=name) for name, spec in sorted(typ["attributes"].items())]
            print(json.dumps({"resource_type": {"name": typ["name"], "attributes": attributes}}), file=out)
        for name in ["generic"] + [t["name"] for t in types]:
            for resource in source.pages("/resource/" + urllib.parse.quote(name, safe="")):
                if resource["type"] == name:
                    print(json.dumps(moved(resource, by_resource.get(resource["id"], []), args.tenant)), file=out)
    with create("metrics.json") as out:
        for metric in by_resource.get(None, []):
            print(json.dumps(new_metric(metric)), file=out)

    measures = 0
    with create("measures.json") as out:
        for metric in metrics:
            points = measures_of(source, metric)
            measures += len(points)
            if points:
                print(json.dumps({"id": metric["id"], "measures": points}), file=out)
    print("%d metrics, %d of them without a resource, and %d measures read" % (len(metrics), len(by_resource.get(None, [])), measures))


def moved(resource, metrics, tenant):
    """A resource as granary import resources takes it."""
    project = resource["project_id"] or (resource["creator"] or "").partition(":")[2]
    line = {k: resource[k] for k in GENERIC[:4] + ("user_id", "project_id", "started_at", "ended_at", "revision_start") if resource.get(k) is not None}
    line["original_resource_id"] = line.get("original_resource_id") or line["id"]
    line["revision"] = 1
    line["attributes"] = {k: v for k, v in resource.items() if k not in GENERIC and v is not None}
    return {"tenant": project or tenant, "resource": line, "metrics": [
        dict({"id": m["id"], "name": m["name"], "policy": m["archive_policy"]["name"], "creator": m["creator"]}, **({"unit": m["unit"]} if m["unit"] else {}))
        for m in metrics]}


def new_metric(metric):
    wanted = {"archive_policy_name": metric["archive_policy"]["name"]}
    wanted.update({k: metric[k] for k in ("name", "unit") if metric[k]})
    return {"id": metric["id"], "creator": metric["creator"], "metric": wanted}


def measures_of(source, metric):
    """What is written of a metric: the finest aggregates as far back as they reach, and coarser ones before them."""
    methods = metric["archive_policy"]["aggregation_methods"]
    plain = [m for m in ("mean", "last", "median", "max", "min", "sum", "first") if m in methods]
    if not plain:
        print("metric %s: no measures can be made of %s" % (metric["id"], ", ".join(sorted(methods))), file=sys.stderr)
        return []
    found = source.get("/metric/%s/measures?aggregation=%s" % (metric["id"], plain[0]), missing=(404,)) or []
    levels = {}
    for at, granularity, value in found:
        levels.setdefault(granularity, []).append((seconds(at), value))
    out, oldest = [], float("inf")
    for granularity in sorted(levels):
        if granularity < 1:  # whose times the API cuts to seconds
            print("metric %s: granularity %s s is left out" % (metric["id"], granularity), file=sys.stderr)
            continue
        older = [(t, v) for t, v in levels[granularity] if t + granularity <= oldest]
        if older:
            out, oldest = older + out, older[0][0]
    return out


def policies(args):
    target = Server(args.url, args.header)
    for policy in lines(args.directory, "policies.json"):
        name = "/archive_policy/" + urllib.parse.quote(policy["name"], safe="")
        there = target.get(name, missing=(404,))
        if there is None:
            policy["definition"] = [{k: v for k, v in d.items() if v is not None} for d in policy["definition"]]
            target.ask("POST", "/archive_policy", policy)
        elif any(sorted(map(str, there[k])) != sorted(map(str, policy[k])) for k in ("definition", "aggregation_methods")) or there["back_window"] != policy["back_window"]:
            print("archive policy %s is there and says something else: it stays" % policy["name"], file=sys.stderr)
    for rule in lines(args.directory, "rules.json"):
        target.ask("POST", "/archive_policy_rule", {k: rule[k] for k in ("name", "metric_pattern", "archive_policy_name")}, missing=(409,))


def measures(args):
    target = Server(args.url, args.header)
    ids = dict(made(target, args))
    batch, size, total = {}, 0, 0

    def send():
        target.ask("POST", "/batch/metrics/measures", batch)
        batch.clear()

    for line in lines(args.directory, "measures.json"):
        points = [{"timestamp": t, "value": v} for t, v in line["measures"]]
        for start in range(0, len(points), BATCH):
            if size + min(len(points) - start, BATCH) > BATCH:
                send()
                size = 0
            part = points[start:start + BATCH]
            batch[ids.get(line["id"], line["id"])] = part
            size, total = size + len(part), total + len(part)
    if batch:
        send()
    print("%d measures written" % total + "".join(", %d of them not stored: %s" % (n, reason) for reason, n in sorted(target.ignored.items())))


def made(target, args):
    """Makes the metrics without a resource, which get new ids, and gives both. What a former run has made is in the file."""
    path = os.path.join(args.directory, "ids.txt")
    known = {}
    if os.path.exists(path):
        with open(path) as file:
            known = dict(line.split() for line in file)
    with open(path, "a") as out:
        for line in lines(args.directory, "metrics.json"):
            if line["id"] not in known:
                headers = target.headers if args.header else as_user(line["creator"] or "admin")
                known[line["id"]] = target.ask("POST", "/metric", line["metric"], headers)[0]["id"]
                print(line["id"], known[line["id"]], file=out, flush=True)
    return known


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command")
    commands.required = True
    for function, first, second in ((read, "url", "directory"), (policies, "directory", "url"), (measures, "directory", "url")):
        command = commands.add_parser(function.__name__)
        command.add_argument(first)
        command.add_argument(second)
        command.add_argument("-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="a header field of each request; without one the user is admin, without a password")
        if function is read:
            command.add_argument("--tenant", default="_ops", help="whose resources are that belong to no project [_ops]")
        command.set_defaults(run=function)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
