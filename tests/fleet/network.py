"""The fleet's network: a bridge in a network namespace of this run's own, so that nothing of it can stay behind."""

import ctypes
import os

from image import run

BRIDGE = "fleet0"
NET = "10.213.0"
GATE = f"{NET}.1"  # customers, partner and the chat are here
CLONE_NEWNET = 0x40000000


def begin():
    """Leaves the machine's network for one of our own; after this nothing outside can be reached."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    run(["mount", "-t", "tmpfs", "tmpfs", _folder()])
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "address", "add", f"{GATE}/24", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])


def _folder():
    os.makedirs("/run/netns", exist_ok=True)
    return "/run/netns"


def add_host(name, address):
    """A namespace for a host, with eth0 on the bridge; its path."""
    run(["ip", "netns", "add", name])
    run(["ip", "link", "add", f"v-{name}", "type", "veth", "peer", "name", "eth0", "netns", name])
    run(["ip", "link", "set", f"v-{name}", "master", BRIDGE, "up"])
    for words in (["address", "add", f"{address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"],
                  ["link", "set", "lo", "up"]):
        run(["ip", "-n", name, *words])
    return f"/run/netns/{name}"


def cut(name):
    run(["ip", "link", "set", f"v-{name}", "down"])


def mend(name):
    run(["ip", "link", "set", f"v-{name}", "up"])
