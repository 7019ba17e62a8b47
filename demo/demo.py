#!/usr/bin/env python3
"""Serin's whole line on one machine: a fleet under traffic, a bad release caught and rolled back, a good one passed.

Needs nothing but Python, nats-server and a build (scripts/demo makes one)."""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from stage.chaos import Chaos, parse_kill  # noqa: E402  (the path must be set first)
from stage.fleet import Fleet  # noqa: E402
from stage.processes import DemoError  # noqa: E402
from stage.story import Story, narrator  # noqa: E402

OLD, GOOD = "good-1", "good-2"
SOURCE = pathlib.Path(__file__).resolve().parent.parent
NEEDED = ("serin-agent", "serin-rollback", "serin-aggregator", "serinctl", "shop", "shop-partner", "shop-load",
          "shop-supervisor")


def arguments():
    parser = argparse.ArgumentParser(description="Shows Serin at work on a small real fleet on this machine.")
    parser.add_argument("--release", default="null-field", metavar="NAME",
                        help="the bad release: null-field (default), crash-loop …; `shop --behaviours` lists them")
    parser.add_argument("--hosts", type=int, default=6, metavar="N", help="hosts in the fleet (default 6, at least 4)")
    parser.add_argument("--json", action="store_true",
                        help="the last line of standard output is one JSON object; the story goes to standard error")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, until Ctrl-C")
    parser.add_argument("--record", type=pathlib.Path, metavar="FILE", help="run `serinctl record` meanwhile")
    parser.add_argument("--kill", action="append", default=[], metavar="COMPONENT@WHEN",
                        help="kill -9 aggregator, nats, agent[:HOST] or helper[:HOST] and start it again 2 s later; "
                             "WHEN is seconds after the traffic began, or bad+S, good+S after a deploy. Repeatable")
    parser.add_argument("--chaos", type=int, metavar="SEED", help="ten kills at moments drawn from this seed")
    parser.add_argument("--seed", type=int, default=1, help="of data and traffic (default 1)")
    parser.add_argument("--bin", type=pathlib.Path, default=SOURCE / "build" / "release" / "bin",
                        help="where the programs are (default: the release build)")
    given = parser.parse_args()
    if given.hosts < 4:
        parser.error("--hosts: at least 4, since a release on one host is compared with the others")
    if given.release in (OLD, GOOD):
        parser.error(f"--release: {given.release} is one of the good releases that the story needs")
    return given, parser


def kills_of(given, fleet):
    names = [host.name for host in fleet.hosts]
    hosts = {"traffic": names[1], "bad": names[1], "good": names[2]}
    kills = [parse_kill(text, hosts) for text in given.kill]
    if given.chaos is not None:
        draw = random.Random(given.chaos)
        for _ in range(10):
            component = draw.choice(("aggregator", "nats", "agent", "helper"))
            moment = draw.choice(("traffic", "bad", "bad", "good"))
            kills.append(parse_kill(f"{component}@{moment}+{draw.uniform(0.0, 20.0):.2f}", hosts))
    for kill in kills:
        if kill.component not in ("aggregator", "nats") and kill.component.split(":")[1] not in names:
            raise ValueError(f"{kill.component}: there is no such host")
    return kills


def find_programs(given, parser):
    missing = [name for name in NEEDED if not (given.bin / name).is_file()]
    if missing:
        parser.error(f"not found in {given.bin}: {', '.join(missing)} (scripts/demo builds them)")
    if shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin:/sbin:/bin") is None:
        parser.error("nats-server is not installed (scripts/setup installs it)")
    return given.bin.resolve()


def how_to_look_around(fleet, say):
    say("Everything is left running, until Ctrl-C. Look around with:")
    ctl = f"{fleet.bin}/serinctl"
    for line in (f"export SERIN_URL=http://127.0.0.1:{fleet.api_port} SERIN_TOKEN={fleet.token}",
                 f"{ctl} status",
                 f"{ctl} deploys",
                 f"{ctl} explain DEPLOY",
                 f"curl -s http://127.0.0.1:{fleet.api_port}/api/v1/deploys | python3 -m json.tool",
                 f"curl -s http://127.0.0.1:{fleet.api_port}/metrics",
                 f"ls {fleet.root}/hosts/web-02        # one host: releases, logs, configuration",
                 f"tail -f {fleet.logs}/*.log"):
        print(f"         {line}", file=sys.stderr)


def stay(fleet):
    try:
        while True:
            fleet.crew.tend()
            time.sleep(1)
    except KeyboardInterrupt:
        pass


def play(given, bin_dir, root, teller):
    fleet = Fleet(bin_dir, root, given.hosts, given.seed)
    try:
        chaos = Chaos(kills_of(given, fleet), fleet.crew, teller.say)
        story = Story(fleet, chaos, teller, given.release, GOOD, OLD)
        fleet.build([OLD, given.release, GOOD])
        story.record_to = given.record and given.record.resolve()
        result = story.tell()
        for fault in story.faults:
            teller.say(f"NOT AS IT SHOULD BE: {fault}")
        teller.say("The story ended as it should." if not story.faults else "The story did not end as it should.")
        if given.json:
            print(json.dumps(result), flush=True)
        if given.keep:
            how_to_look_around(fleet, teller.say)
            stay(fleet)
        return not story.faults
    finally:
        fleet.end()


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop(*_):
    for number in SIGNALS:  # once is enough: what follows is tidying up
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    given, parser = arguments()
    bin_dir = find_programs(given, parser)
    for number in SIGNALS:
        signal.signal(number, stop)
    os.umask(0o022)  # the helper trusts no folder that others may write
    teller = narrator(given.json)
    root = pathlib.Path(tempfile.mkdtemp(prefix="serin-demo-"))
    well = False
    try:
        well = play(given, bin_dir, root, teller)
    except KeyboardInterrupt:
        teller.say("Stopped.")
    except (DemoError, ValueError) as problem:
        teller.say(f"The demo failed: {problem}")
    finally:
        if well:
            shutil.rmtree(root, ignore_errors=True)
        else:
            for heavy in (root / "data", root / "nats", *root.glob("hosts/*/releases")):
                shutil.rmtree(heavy, ignore_errors=True)
            teller.say(f"Logs and configuration are kept in {root}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
