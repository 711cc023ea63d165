"""Leads connections to certain hosts and ports to others: GRANARY_E2E_HOSTS is a list of host:port=host:port, parted by commas."""

import os
import socket

_elsewhere = {}
for pair in filter(None, os.environ.get("GRANARY_E2E_HOSTS", "").split(",")):
    named, real = (side.rsplit(":", 1) for side in pair.split("="))
    _elsewhere[named[0], int(named[1])] = real[0], int(real[1])

_lookup = socket.getaddrinfo


def _led(host, port, *args, **kwargs):
    host, port = _elsewhere.get((host, port), (host, port))
    return _lookup(host, port, *args, **kwargs)


socket.getaddrinfo = _led
