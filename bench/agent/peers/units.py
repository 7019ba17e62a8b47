"""Starts units of systemd on the booted host and reads what they use."""

import dataclasses
import pathlib
import subprocess

GROUPS = pathlib.Path("/sys/fs/cgroup/system.slice")


class BenchError(Exception):
    """Something that ends the measurement, in words for a person."""


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(map(str, words))} ended with status {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def start(name, *words, properties=()):
    """A unit of its own for a program, and with it a control group."""
    run("systemd-run", "--quiet", f"--unit={name}", *(f"--property={one}" for one in properties), *words)


def said(name):
    return run("journalctl", "--no-pager", "--output=cat", f"--unit={name}")


@dataclasses.dataclass
class Thread:
    name: str
    cpu_ns: int
    turns: int  # how often it was put on a CPU


@dataclasses.dataclass
class Usage:
    cpu_us: int
    threads: dict  # by id
    pss: int
    private: int
    rss: int


def _memory(pid):
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        key, amount = line.split(":")
        fields[key] = int(amount.split()[0]) * 1024
    return fields["Pss"], fields["Private_Clean"] + fields["Private_Dirty"], fields["Rss"]


def usage(name):
    """Of all processes of a unit; the CPU also of those that have ended."""
    group = GROUPS / f"{name}.service"
    try:
        stat = dict(line.split() for line in (group / "cpu.stat").read_text(encoding="ascii").splitlines())
        pids = (group / "cgroup.procs").read_text(encoding="ascii").split()
    except FileNotFoundError:
        pids = []
    if not pids:
        raise BenchError(f"{name} does not run; it said:\n{said(name)}")
    threads = {}
    for task in (task for pid in pids for task in pathlib.Path(f"/proc/{pid}/task").iterdir()):
        ran, _, turns = (task / "schedstat").read_text(encoding="ascii").split()
        threads[task.name] = Thread((task / "comm").read_text(encoding="ascii").strip(), int(ran), int(turns))
    pss, private, rss = (sum(parts) for parts in zip(*map(_memory, pids)))
    return Usage(int(stat["usage_usec"]), threads, pss, private, rss)
