#!/usr/bin/env python3
"""Serin on real hosts: booted Debians with systemd and the packages installed, under load; every release of LIES on one of
them, and every fault in the middle of a rollback. scripts/fleet builds what this needs and runs it in namespaces of its own."""

import argparse
import json
import os
import pathlib
import signal
import sys
import time

sys.dont_write_bytecode = True
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "demo"))

import image  # noqa: E402  (the path must be set first)
import network  # noqa: E402
from assembly import Fleet, remove_groups  # noqa: E402
from faults import FAULTS  # noqa: E402
from case import Wrong  # noqa: E402
from releases import BY_NAME  # noqa: E402
from stage.processes import DemoError  # noqa: E402
from stage.story import Teller  # noqa: E402
from stages import stage_of  # noqa: E402
from table import Table, summary  # noqa: E402
from trial import Trials  # noqa: E402


def names(text, known, what):
    if text == "all":
        return list(known)
    if text == "none":
        return []
    chosen = text.split(",")
    for name in chosen:
        if name not in known:
            raise argparse.ArgumentTypeError(f"'{name}' is no {what}; there are {', '.join(known)}")
    return chosen


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/fleet", description="Tries Serin on a fleet of real hosts that boot for it.")
    parser.add_argument("--hosts", type=int, default=8, metavar="N", help="web hosts (default 8, at least 4)")
    parser.add_argument("--rate", type=float, default=50, metavar="N", help="requests per second and host (default 50)")
    parser.add_argument("--releases", default="all", metavar="A,B", type=lambda t: names(t, BY_NAME, "release"),
                        help="which of them: all (default), none, or names: " + ", ".join(BY_NAME))
    parser.add_argument("--faults", default="none", metavar="A,B", type=lambda t: names(t, FAULTS, "fault"),
                        help="which of them: all, none (default), or names: " + ", ".join(FAULTS))
    parser.add_argument("--json", action="store_true",
                        help="the last line of standard output is one JSON object; the rest goes to standard error")
    parser.add_argument("--blind", action="store_true",
                        help="the shop's requests are counted by nobody: what is found is found in processes and sockets")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, until Ctrl-C")
    parser.add_argument("--bin", type=pathlib.Path, default=SOURCE / "build" / "release" / "bin", help=argparse.SUPPRESS)
    parser.add_argument("--packages", type=pathlib.Path, default=SOURCE / "build" / "release" / "packages",
                        help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.blind:
        if given.releases == list(BY_NAME):
            given.releases = [name for name in BY_NAME if BY_NAME[name].host_metrics]
        unseen = [name for name in given.releases if not BY_NAME[name].host_metrics]
        if unseen:
            parser.error(f"--blind: {', '.join(unseen)} does not show in a metric of the host")
    if given.hosts < 4:
        parser.error("--hosts: at least 4, since a release on one host is compared with the others")
    return given


def play(given, fleet, teller):
    table = Table(teller)
    trials = Trials(fleet, teller.say, teller.progress)
    outcomes = []
    if given.releases:
        table.head()
    for name in given.releases:
        release = BY_NAME[name]
        outcome = trials.run(release, stage_of(release, fleet))
        outcomes.append(outcome)
        table.row(outcome)
    faults = [meet(name, trials, teller) for name in given.faults]
    result = summary(outcomes, faults, fleet)
    if outcomes:
        teller.say()
        table.head()
        for outcome in outcomes:
            table.row(outcome)
        table.foot(result)
    return result


def meet(name, trials, teller):
    """One fault, and whether everything ended right."""
    teller.say(f"{name}: {FAULTS[name].__doc__}")
    began = time.monotonic()
    problem = ""
    try:
        FAULTS[name](trials)
    except (Wrong, DemoError) as wrong:
        problem = str(wrong)
        trials.put_right()
    teller.say(f"{name}: {'ended right' if not problem else f'WRONG: {problem}'} ({time.monotonic() - began:.0f} s)")
    return {"fault": name, "right": not problem, "problem": problem}


def stay(fleet, teller):
    teller.say("Everything is left running, until Ctrl-C. Look around with:")
    for host in fleet.machines():
        teller.plain(f"nsenter -t {outer_pid(host.leader())} -a -- journalctl -f      # {host.name}")
    try:
        while True:
            fleet.crew.tend()
            time.sleep(1)
    except KeyboardInterrupt:
        pass


def outer_pid(pid):
    """How the machine outside of our process namespace calls it."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("NSpid:"):
            return line.split()[1]
    return pid


SKIPPED = 77  # as ctest understands it
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop(*_):
    for number in SIGNALS:  # once is enough: what follows is tidying up
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    given = arguments()
    for number in SIGNALS:
        signal.signal(number, stop)
    os.umask(0o022)
    teller = Teller(sys.stderr if given.json else sys.stdout)
    fleet, well, status = None, False, 1
    try:
        layers = image.make(given.bare, given.packages, given.work, teller.say)
        try:
            network.begin()
        except OSError as reason:
            raise image.Impossible(f"no network of its own can be made here: {reason}") from None
        fleet = Fleet(given.bin, given.packages, given.work, given.hosts, given.rate, given.blind)
        fleet.start(layers, teller.say)
        result = play(given, fleet, teller)
        well = result["well"]
        status = 0 if well else 1
        if given.json:
            print(json.dumps(result), flush=True)
        if given.keep:
            stay(fleet, teller)
    except KeyboardInterrupt:
        teller.say("Stopped.")
    except image.Impossible as reason:
        print(f"fleet: {reason}", flush=True)
        status = SKIPPED
    except DemoError as problem:
        teller.say(f"It failed: {problem}")
    finally:
        if fleet:
            if not well and status != SKIPPED:
                kept = pathlib.Path(f"/var/tmp/{given.work.name}-logs")
                fleet.keep_logs(kept)
                teller.say(f"Logs are kept in {kept}")
            fleet.end()
            remove_groups(fleet.groups)
    return status


if __name__ == "__main__":
    sys.exit(main())
