"""What happens on the booted host: the service, the broker, the agent and its peers side by side, and one measurement."""

import os
import pathlib
import socket
import subprocess
import threading
import time

from . import broker
from .units import BenchError, run, said, start, usage

SERVICE = "shop"
AGENT = "serin-agent"
NODE, PROCESS, COLLECTD = "prometheus-node-exporter", "prometheus-process-exporter", "collectd"
EXPORTERS = {NODE: 9100, PROCESS: 9256}
PROGRAMS = {NODE: "/usr/bin/prometheus-node-exporter", PROCESS: "/usr/bin/prometheus-process-exporter",
            COLLECTD: "/usr/sbin/collectd"}
PACKAGES = {NODE: NODE, PROCESS: PROCESS, COLLECTD: "collectd-core"}
COLLECTD_PORT = 25826
PATIENCE_SECONDS = 20
LOOK_SECONDS = 0.1  # between two looks at a condition
LOG = "/var/log/shop/access.log"
LOG_FORMAT = '$remote_addr - - [$time_local] "$request" $status $body_bytes_sent $request_time'


def _unit(name):
    """Debian's packages bring units under the plain names."""
    return name if name == AGENT else f"bench-{name}"


def _write(path, text):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not within {PATIENCE_SECONDS} s")
        time.sleep(LOOK_SECONDS)


def _start_broker():
    _write("/etc/bench/nats.conf", broker.configuration("/var/lib/bench/nats"))
    start("bench-nats", "nats-server", "-c", "/etc/bench/nats.conf", properties=["StateDirectory=bench/nats"])
    _wait_for(lambda: broker.make_streams() is None, "the broker's streams")
    broker.call_attention(SERVICE)


def _start_service(lines_per_second, connections):
    release = pathlib.Path("/srv/shop/releases/1.4.2")
    release.mkdir(parents=True)
    program = release / "service.py"
    program.write_bytes((pathlib.Path(__file__).parent / "service.py").read_bytes())
    pathlib.Path("/srv/shop/current").symlink_to("releases/1.4.2")
    settings = ["User=nobody", "LogsDirectory=shop", "LimitNOFILE=65536"]
    start(SERVICE, "/usr/bin/python3", "-BS", "/srv/shop/current/service.py", "serve", LOG, lines_per_second, connections,
          properties=settings)
    if connections:
        start("bench-customers", "/usr/bin/python3", "-BS", program, "peer", connections, properties=settings[2:])
    _wait_for(lambda: os.stat(LOG).st_size > 0, "the service's first log line")


def _start_agent(bin_dir, source):
    """The unit as it is shipped, with the binary that was built."""
    run("systemd-sysusers", source / "systemd" / "serin-agent.sysusers")
    run("install", "-m", "755", bin_dir / "serin-agent", "/usr/bin/serin-agent")
    run("install", "-m", "644", source / "systemd" / "serin-agent.service", "/etc/systemd/system/")
    _write("/etc/serin/agent.toml", f'[nats]\nurl = ["nats://127.0.0.1:{broker.PORT}"]\n\n[host]\nid = "bench"\n')
    _write(f"/etc/serin/services.d/{SERVICE}.toml",
           f'unit = "{SERVICE}.service"\nversion = {{ symlink = "/srv/shop/current" }}\n\n[[requests]]\n'
           f"source = \"access_log\"\npath = \"{LOG}\"\nformat = '{LOG_FORMAT}'\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "serin-agent.service")


def _start_peers():
    """Exporters with their defaults, the process exporter for the one service; collectd with what it is usually given."""
    started = [name for name, program in PROGRAMS.items() if os.access(program, os.X_OK)]
    if NODE not in started:
        raise BenchError(f"{NODE} is what is compared with, and it is not installed")
    start(_unit(NODE), PROGRAMS[NODE])
    if PROCESS in started:
        start(_unit(PROCESS), PROGRAMS[PROCESS], "-procnames", "python3")
    if COLLECTD in started:
        plugins = "".join(f"LoadPlugin {name}\n" for name in ("cpu", "interface", "load", "memory", "network", "processes"))
        _write("/etc/bench/collectd.conf",
               f'Hostname "bench"\nFQDNLookup false\nInterval 1\nBaseDir "/run"\n{plugins}<Plugin processes>\n  Process "python3"\n'
               f'</Plugin>\n<Plugin network>\n  Server "127.0.0.1" "{COLLECTD_PORT}"\n</Plugin>\n')
        start(_unit(COLLECTD), PROGRAMS[COLLECTD], "-f", "-C", "/etc/bench/collectd.conf")
    return started


def _scrape(port, over):
    """One scrape a second; a process of its own each time, as it is not measured."""
    while not over.wait(1.0):
        subprocess.run(["curl", "--silent", "--fail", "--output", "/dev/null", f"http://127.0.0.1:{port}/metrics"],
                       check=False, timeout=10)


def _per_second(before, after, seconds):
    threads = [{"name": now.name, "cpu_ms": (now.cpu_ns - was.cpu_ns) / 1e6 / seconds,
                "turns": (now.turns - was.turns) / seconds}
               for task, now in after.threads.items() if (was := before.threads.get(task))]
    return {"cpu_ms_per_second": (after.cpu_us - before.cpu_us) / 1e3 / seconds, "pss_bytes": after.pss,
            "private_bytes": after.private, "rss_bytes": after.rss, "threads": len(after.threads), "each_thread": threads}


def measure(bin_dir, source, seconds, warm_up_seconds, lines_per_second, connections):
    over = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:  # collectd's datagrams go somewhere and are not read
        sink.bind(("127.0.0.1", COLLECTD_PORT))
        _start_broker()
        _start_service(lines_per_second, connections)
        peers = _start_peers()
        _start_agent(bin_dir, source)
        scrapes = [threading.Thread(target=_scrape, args=(port, over)) for name, port in EXPORTERS.items() if name in peers]
        for thread in scrapes:
            thread.start()
        try:
            _wait_for(lambda: broker.stored_samples(SERVICE) > 0, f"the first sample (the agent said:\n{said(AGENT)})")
            time.sleep(warm_up_seconds)
            names = [AGENT, *peers]
            begin = time.monotonic()
            samples = broker.stored_samples(SERVICE)
            before = {name: usage(_unit(name)) for name in names}
            time.sleep(seconds)
            after = {name: usage(_unit(name)) for name in names}
            samples = broker.stored_samples(SERVICE) - samples
            took = time.monotonic() - begin
        finally:
            over.set()
    if abs(samples - took) > 3:
        raise BenchError(f"{samples} samples arrived in {took:.0f} s: the agent does not run at 1 Hz")
    return {"seconds": took, "samples": samples,
            "programs": {name: _per_second(before[name], after[name], took) for name in names}}
