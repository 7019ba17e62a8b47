"""The whole fleet on one machine: broker, aggregator, hosts with shop, agent and helper, partner and customers."""

import dataclasses
import hashlib
import pathlib
import secrets
import subprocess
import time

from .api import Api
from .clients import Clients
from .hosts import Host
from .processes import Crew, DemoError, Program, free_ports
from .receiver import Receiver

REQUESTS_PER_SECOND_AND_HOST = 80
WATCH_WINDOW = "45s"
BASELINE_AGE = "15s"  # in earnest a host must have run for two minutes before others are compared with it
POLL_SECONDS = 0.1
# What 45 s on one of a few hosts can show after 30 s of history: a pass claims no more than that.
MUST_SEE_ERRORS, MUST_SEE_LATENCY, MUST_SEE_LATENCY_OF_FEWER_THAN_SIX = 0.05, 8.0, 12.0
SERVICE = "shop"


@dataclasses.dataclass
class Shared:
    """What every host of the fleet is told."""
    data: pathlib.Path
    public_key: pathlib.Path
    nats_port: int
    partner_port: int


class Fleet:
    def __init__(self, bin_dir, root, host_count, seed):
        self.bin = bin_dir
        self.root = root
        self.seed = seed
        self.crew = Crew()
        self.logs = root / "logs"
        ports = free_ports(host_count + 3)
        self.nats_port, self.api_port, partner_port = ports[:3]
        self.hosts = [Host(f"web-{i + 1:02}", root / "hosts" / f"web-{i + 1:02}", port)
                      for i, port in enumerate(ports[3:])]
        self.shared = Shared(root / "data", root / "aggregator" / "signing.key.pub", self.nats_port, partner_port)
        self.webhook_secret = secrets.token_hex(32)
        self.receiver = Receiver(self.webhook_secret.encode())
        self.token = secrets.token_urlsafe(32)
        self.api = Api(self.api_port, self.token)
        self.clients = Clients(root / "logs" / "load.jsonl")
        self.config = root / "aggregator" / "aggregator.toml"

    # Building

    def build(self, releases):
        self.logs.mkdir(parents=True)
        (self.root / "aggregator").mkdir(mode=0o700)
        self.run("shop", "--init", self.shared.data, self.seed)
        self.run("serinctl", "keys", "init", "--out", self.root / "aggregator" / "signing.key")
        for host in self.hosts:
            host.build(self.bin, releases, self.shared)
        self._write_aggregator()
        self._write_nats()

    def run(self, program, *arguments):
        done = subprocess.run([self.bin / program, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise DemoError(f"{program} {' '.join(map(str, arguments))} ended with status "
                            f"{done.returncode}:\n{done.stderr or done.stdout}")
        return done.stdout

    def _write_nats(self):
        (self.root / "nats.conf").write_text(
            f"host: 127.0.0.1\nport: {self.nats_port}\n"
            f'jetstream {{ store_dir: "{self.root}/nats", max_file_store: 8GB, max_memory_store: 64MB }}\n',
            encoding="utf-8")

    def _write_aggregator(self):
        latency = MUST_SEE_LATENCY if len(self.hosts) >= 6 else MUST_SEE_LATENCY_OF_FEWER_THAN_SIX
        folder = self.root / "aggregator"
        secret = folder / "webhook.secret"
        secret.write_text(self.webhook_secret, encoding="utf-8")
        secret.chmod(0o600)
        tokens = folder / "tokens.toml"
        tokens.write_text('[[token]]\nname = "demo"\nrole = "operator"\n'
                          f'sha256 = "{hashlib.sha256(self.token.encode()).hexdigest()}"\n', encoding="utf-8")
        tokens.chmod(0o600)
        self.config.write_text(
            f'[nats]\nurl = ["nats://127.0.0.1:{self.nats_port}"]\n\n'
            f'[api]\nlisten = "127.0.0.1:{self.api_port}"\ntokens = "{tokens}"\n\n'
            f'[state]\ndir = "{folder}/state"\n\n'
            f'[signing]\nkey = "{folder}/signing.key"\n\n'
            "[policy.default]\n"
            'mode = "enforce"\n'
            f'watch_window = "{WATCH_WINDOW}"\n'
            "false_rollback_probability = 0.01\n"
            f'baseline_age = "{BASELINE_AGE}"\n'
            f"must_see = {{ errors = {MUST_SEE_ERRORS}, latency = {latency} }}\n\n"
            '[[notify]]\nkind = "webhook"\n'
            f'url = "http://127.0.0.1:{self.receiver.port}/alerts"\n'
            f'secret_file = "{secret}"\n'
            'on = ["rollback", "rolled_back", "rollback_failed", "recovered", "not_the_cause", "passed",'
            ' "inconclusive", "frozen"]\n', encoding="utf-8")
        (folder / "state").mkdir()

    # Running

    def start_program(self, name, *argv):
        return self.crew.start(Program(name, argv, self.logs / (name.replace(":", "-") + ".log")))

    def start_hosts(self):
        self.start_program("partner", self.bin / "shop-partner", "--port", self.shared.partner_port, "--seed", self.seed)
        for host in self.hosts:
            self.start_program(f"host:{host.name}", host.supervisor, "run", host.root)

    def start_broker(self):
        self.start_program("nats", "nats-server", "-c", self.root / "nats.conf")

    def start_aggregator(self):
        self.start_program("aggregator", self.bin / "serin-aggregator", "--config", self.config)

    def start_agents(self):
        for host in self.hosts:
            self.start_program(f"helper:{host.name}", self.bin / "serin-rollback", "--listen", host.helper_socket,
                               "--services", host.etc / "services.d", "--keys", host.etc / "keys.d",
                               "--state", host.root / "state" / "rollback", "--hold", host.etc,
                               "--host", host.name)
            self.start_program(f"agent:{host.name}", self.bin / "serin-agent", "--config", host.etc / "agent.toml",
                               "--services", host.etc / "services.d")

    def start_load(self):
        targets = [word for host in self.hosts for word in ("--host", f"{host.name}={host.port}")]
        self.start_program("load", self.bin / "shop-load", *targets, "--rate", REQUESTS_PER_SECOND_AND_HOST,
                           "--seed", self.seed, "--out", self.clients.account)

    def start_recording(self, file):
        self.start_program("record", self.bin / "serinctl", "record", "--nats", f"nats://127.0.0.1:{self.nats_port}",
                           "--from-start", "--out", file)

    def stop_recording(self):
        """Lets the recorder end what it has begun, while there is still a stream to read."""
        self.crew.stop("record")

    def wait_for(self, condition, seconds, what, meanwhile):
        """The condition's value once it is true; `meanwhile` runs at every look."""
        deadline = time.monotonic() + seconds
        while True:
            self.crew.tend()
            self.clients.read()
            value = condition()
            if value:
                return value
            meanwhile()
            if time.monotonic() > deadline:
                raise DemoError(f"{what}: not within {seconds:.0f} s")
            time.sleep(POLL_SECONDS)  # between two looks at a condition

    def healthy(self, host):
        return Api(host.port, "").ready("/healthz")

    def end(self):
        self.crew.end()
        self.receiver.close()
        self.clients.close()
