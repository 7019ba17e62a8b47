"""The whole fleet: hosts, the aggregator's host, and what is outside of them; started, asked, ended."""

import os
import pathlib
import secrets
import shutil
import subprocess
import time

import network
from core import API_PORT, NATS_PORT, Core
from customers import Customers
from edge import PARTNER_PORT, Edge
from image import Impossible
from machine import LOOK_SECONDS, group_roots
from stage.api import Api, seconds_of
from stage.hosts import install
from stage.processes import Crew, DemoError, Program
from stage.receiver import Receiver
from web import GOOD, Web

SERVICE = "shop"
START_SECONDS = 60
SEED = 1


class Shared:
    """What every host is told, and the releases that are unpacked there."""

    def __init__(self, bin_dir, folder, core_address, blind):
        self.bin = bin_dir
        self.blind = blind  # the service's file names no source of requests: what is left is what the host shows
        self.data = folder / "data"
        self.nats = f"nats://{core_address}:{NATS_PORT}"
        self.partner_host, self.partner_port = network.GATE, PARTNER_PORT
        self.public_key = ""
        self.behaviours = {GOOD: GOOD}  # release -> the shop's behaviour

    def unpack(self, name, folder):
        folder.mkdir(parents=True, mode=0o755)
        install(self.bin / "shop", folder / "shop", 0o755)
        (folder / "behaviour").write_text(self.behaviours.get(name, name) + "\n", encoding="utf-8")


class Fleet:
    def __init__(self, bin_dir, packages, work, host_count, rate, blind=False):
        self.bin = bin_dir
        self.packages = packages
        self.work = work
        self.logs = work / "logs"
        self.logs.mkdir()
        self.crew = Crew()
        self.groups = [root / f"serin-fleet-{work.name.rpartition('.')[2]}" for root in group_roots()]
        self.receiver = Receiver(secrets.token_hex(32).encode(), network.GATE)
        self.token = secrets.token_urlsafe(32)
        self.core = Core("core", f"{network.NET}.2", work / "hosts" / "core", self.groups)
        self.hosts = [Web(f"web-{i + 1:02}", f"{network.NET}.{11 + i}", work / "hosts" / f"web-{i + 1:02}", self.groups)
                      for i in range(host_count)]
        self.shared = Shared(bin_dir, work, self.core.address, blind)
        self.edge = Edge(bin_dir, work, self.crew, rate, SEED)
        self.clients = Customers(self.edge.account)
        self.api = Api(API_PORT, self.token, self.core.address)

    def machines(self):
        return [self.core, *self.hosts]

    # Starting

    def start(self, layers, say):
        self.run("shop", "--init", self.shared.data, SEED)
        for folder in (self.work, self.shared.data):
            folder.chmod(0o755)  # the shop reads it as its own user
        for machine in self.machines():
            machine.build(layers)
        self.core.furnish(self.receiver, self.token)
        began = time.monotonic()
        try:
            self.core.boot()
            self.core.wait_booted()
        except DemoError as problem:
            raise Impossible(f"no host can be booted here: {problem}") from None
        self.shared.public_key = self.core.make_key()
        self.core.start()
        for host in self.hosts:
            host.furnish(self.shared)
            host.boot()
        for host in self.hosts:
            host.wait_booted()
        say(f"{len(self.machines())} hosts have booted in {time.monotonic() - began:.1f} s.")
        for host in self.hosts:
            host.start()
        self.wait(lambda: self.api.ready(), START_SECONDS, "the aggregator is ready")
        self.wait(lambda: all(host.serves() for host in self.hosts), START_SECONDS, "every shop answers")
        self.edge.start(self.hosts, self.start_program)

    def run(self, program, *arguments):
        done = subprocess.run([self.bin / program, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise DemoError(f"{program} ended with status {done.returncode}:\n{done.stderr or done.stdout}")

    def start_program(self, name, *argv):
        return self.crew.start(Program(name, argv, self.logs / f"{name}.log"))

    # Waiting

    def wait(self, condition, seconds, what, meanwhile=lambda: None):
        """The condition's value as soon as it is true."""
        deadline = time.monotonic() + seconds
        while True:
            self.crew.tend()
            self.clients.read()
            value = condition()
            if value:
                return value
            meanwhile()
            if time.monotonic() > deadline:
                raise DemoError(f"not within {seconds:.0f} s: {what}")
            time.sleep(LOOK_SECONDS)

    # Looking

    def seen(self):
        """host -> what the aggregator knows of it."""
        return {entry["host"]: entry for entry in self.api.hosts(SERVICE)}

    def deploy_at(self, version, since):
        """The deploy of a version that was opened after `since` (this machine's clock), with its details; or None."""
        found = self.api.deploy_of(SERVICE, version)
        return found if found and opened(found) >= since - 2 else None

    # Ending

    def end(self):
        self.crew.end()
        for machine in self.machines():
            try:
                machine.power_off()
            except (OSError, subprocess.TimeoutExpired) as problem:
                print(f"{machine.name}: {problem}", flush=True)
        self.receiver.close()
        self.clients.close()

    def keep_logs(self, folder):
        """What a person needs to find out what went wrong."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in self.logs.glob("*.log"):
            shutil.copy(log, folder)
        for machine in self.machines():
            journal = machine.path("/var/log/journal")
            source = journal if journal.is_dir() else None
            if machine.is_on() and machine.leader():
                text = machine.try_run("journalctl", "--no-pager", "-o", "short-iso-precise").stdout
                (folder / f"{machine.name}.journal").write_text(text, encoding="utf-8")
            elif source:
                shutil.copytree(source, folder / f"{machine.name}.journal.d", dirs_exist_ok=True)


def opened(deploy):
    return seconds_of(deploy["opened"])


def remove_groups(groups):
    """Control groups go from the leaves up, once nothing lives in them."""
    for group in groups:
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                pathlib.Path(folder).rmdir()
            except OSError:
                pass
