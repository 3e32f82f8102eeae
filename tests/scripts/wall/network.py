"""Looks for any way out, and for the engine."""

import os
import socket

ADDRESSES = [("1.1.1.1", 53), ("172.17.0.1", 2375), ("169.254.169.254", 80), ("10.0.0.1", 22)]
SOCKETS = [
    "/var/run/docker.sock",
    "/run/docker.sock",
    "\0docker",
    "/run/containerd/containerd.sock",
]

assert [name for _, name in socket.if_nameindex()] == ["lo"], socket.if_nameindex()
last = None
for address in ADDRESSES:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(socket.AF_INET, kind) as way:
                way.settimeout(1)
                way.connect(address)
                raise SystemExit(f"REACHED {address}")
        except OSError as error:
            last = error
for path in SOCKETS:
    try:
        with socket.socket(socket.AF_UNIX) as way:
            way.connect(path)
            raise SystemExit(f"REACHED {path!r}")
    except OSError as error:
        last = error
for attempt in (lambda: socket.getaddrinfo("example.org", 80), lambda: socket.socket(17, 3)):
    try:
        attempt()
        raise SystemExit("REACHED a name server or a raw socket")
    except OSError as error:
        last = error
assert not os.path.exists("/var/run/docker.sock")
raise ConnectionError(f"nothing can be reached, last {last}")
