"""Runs the command `gnocchi` again and again in one process: each line of the input is a call, {"env": {...}, "args": [...]}, and
each line of the output says how it ended. To start the command costs a second, mostly for imports."""

import contextlib
import io
import json
import os
import sys

from gnocchiclient import shell

before = dict(os.environ)
for line in sys.stdin:
    call = json.loads(line)
    os.environ.clear()
    os.environ.update(before)
    os.environ.update(call["env"])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.main(call["args"])
        except SystemExit as end:
            code = end.code
    print(json.dumps({"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}), flush=True)
