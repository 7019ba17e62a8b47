"""Faults in the middle of a rollback. Each is a function of the trials; what it does not say is Case.finish()'s."""

import time

import broker
import gates
import image
from case import Case, must
from core import NATS_PORT
from gates import JOURNALLED, RESTARTED, STEPS, SWITCHED
from web import GOOD

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def _power_off(trials, name, step):
    case = Case(trials, name)
    gates.shut(case.host, step)
    case.deploy()
    case.wait_held(step)
    case.host.power_off()
    case.host.boot()  # the gates were in /run: they are gone
    case.host.wait_booted()
    case.wait_back()
    case.finish()


def power_off(trials):
    """The power goes between journal and switch."""
    _power_off(trials, "power_off", JOURNALLED)


def power_off_switched(trials):
    """The power goes between switch and restart."""
    _power_off(trials, "power_off_switched", SWITCHED)


def power_off_restarted(trials):
    """The power goes while the action waits for health."""
    _power_off(trials, "power_off_restarted", RESTARTED)


def cut_before(trials):
    """The host cannot be reached when it is commanded, and returns half a minute later."""
    case = Case(trials, "cut_before", behaviour="good-2", gated=False)
    case.deploy()
    case.wait_watched()
    case.host.cut()
    case.act("rollback")
    case.wait_decided()
    silent = lambda: trials.fleet.seen()[case.host.name]["silent"]  # noqa: E731
    case.wait(silent, 30, "the host is missed")
    must(case.host.selected() == case.version, "it was put back without a command")
    case.host.mend()
    case.wait_back()
    case.finish()


def cut_during(trials):
    """The host is cut off while it goes back, and returns when it is done."""
    case = Case(trials, "cut_during")
    gates.shut(case.host, SWITCHED)
    case.deploy()
    case.wait_held(SWITCHED)
    case.host.cut()
    gates.open_all(case.host)
    case.wait_back()
    case.wait(lambda: trials.fleet.seen()[case.host.name]["silent"], 30, "the host is missed")
    case.host.mend()
    case.finish()


def cut_after(trials):
    """The host is cut off as soon as it is back, before anybody has seen it serve."""
    case = Case(trials, "cut_after")
    case.deploy()
    case.wait_back()
    case.host.cut()
    case.wait(lambda: trials.fleet.seen()[case.host.name]["silent"], 30, "the host is missed")
    case.host.mend()
    case.finish()


def _kill_at_each_step(trials, name, kill):
    case = Case(trials, name)
    gates.shut(case.host, *STEPS)
    case.deploy()
    for step in STEPS:
        case.wait_held(step)
        kill(case.host)
        gates.open_one(case.host, step)
    case.wait_back()
    case.finish()


def kill_agent(trials):
    """The agent is killed at each step."""
    _kill_at_each_step(trials, "kill_agent", lambda host: host.run("systemctl", "kill", "-s", "KILL", "serin-agent"))


def kill_helper(trials):
    """The helper is killed at each step."""
    def kill(host):
        host.try_run("systemctl", "kill", "-s", "KILL", "serin-rollback.service")
    _kill_at_each_step(trials, "kill_helper", kill)


def kill_action(trials):
    """The action is killed at each step."""
    def kill(host):
        host.run("systemctl", "kill", "-s", "KILL", "serin-action@shop")
    _kill_at_each_step(trials, "kill_action", kill)


def kill_helper_ten_times(trials):
    """The helper is killed ten times in ten seconds, and then asked to put a release back."""
    case = Case(trials, "kill_helper_ten_times", gated=False)
    # Half of the kills before the deploy, the others while it is decided and carried out.
    case.host.shell("for i in 1 2 3 4 5 6 7 8 9 10; do"
                    "  systemctl kill -s KILL serin-rollback.service 2>/dev/null || true;"
                    "  systemctl start serin-rollback.service; done")
    must(case.host.property("serin-rollback.socket", "ActiveState") == "active", "its socket has gone")
    case.deploy()
    case.wait_back()
    case.finish()


def start_limit(trials):
    """The unit is at its start limit when it is put back."""
    case = Case(trials, "start_limit", behaviour="crash-loop")
    gates.shut(case.host, JOURNALLED)
    case.deploy()
    case.wait_held(JOURNALLED)
    at_limit = lambda: case.host.property("shop", "Result") in ("start-limit-hit", "exit-code") and (  # noqa: E731
        case.host.property("shop", "ActiveState") == "failed")
    case.wait(at_limit, 30, "the unit has reached its start limit")
    gates.open_all(case.host)
    case.wait_back()
    case.finish()


def kill_aggregator(trials):
    """The aggregator is killed when it has decided and before anybody was commanded: the stream of commands is not there."""
    case = Case(trials, "kill_aggregator", gated=False)
    core = trials.fleet.core
    broker.delete_stream(core.address, NATS_PORT, "SERIN_COMMANDS")
    case.deploy()
    case.wait_decided()
    must(case.host.selected() == case.version, "it was commanded without a stream of commands")
    core.run("systemctl", "kill", "-s", "KILL", "serin-aggregator")
    case.wait_back()
    case.finish()


def upgrade(trials):
    """Serin's packages are upgraded while a release is watched, first the aggregator and then the host's agent."""
    case = Case(trials, "upgrade", behaviour="slow-query", gated=False)
    case.deploy()
    case.wait_watched()
    for machine, package in ((trials.fleet.core, "serin-aggregator"), (case.host, "serin-agent")):
        newer = image.newer_deb(trials.fleet.packages, package, machine.path("/packages"))
        machine.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", f"/packages/{newer}", seconds=120)
    must(case.view() is None or case.view()["verdict"] is None, "it was decided before the upgrade was through")
    case.wait_back()
    case.finish()


def disk_full(trials):
    """The disk of the host is full when it is commanded, and somebody makes room and asks again."""
    case = Case(trials, "disk_full", behaviour="crash-loop", gated=False)
    case.host.unpack(case.version)  # it came while there was room
    case.host.try_run("dd", "if=/dev/zero", "of=/var/fill", "bs=64k")
    case.deploy()
    case.wait_decided()
    case.wait(lambda: any(e["kind"] in ("refused", "failed", "verified") for e in case.view()["timeline"]), 60,
              "the host has answered")
    must(case.host.selected() == case.version, "something was changed without room to write it down")
    case.host.run("rm", "/var/fill")
    case.act("rollback")  # rather than wait for the aggregator to ask again by itself
    case.wait_back()
    case.finish(asked=2)


def _without_previous(trials, name, spoil):
    """Nothing good to go back to: nothing is made worse, people are told, and when they have mended it they put it back."""
    case = Case(trials, name, gated=False)
    spoil(case.host)
    case.deploy()
    case.wait_state("rollback_failed")
    case.wait(lambda: trials.fleet.receiver.told(case.version, "rollback_failed"), 30, "people are told")
    case.host.shell(f"rm -rf /srv/shop/releases/{GOOD}")
    case.host.unpack(GOOD)
    case.act("rollback")
    case.wait_back()
    case.finish(asked=2)


def previous_missing(trials):
    """The release to go back to is not there."""
    _without_previous(trials, "previous_missing", lambda host: host.shell(f"rm -r /srv/shop/releases/{GOOD}"))


def previous_broken(trials):
    """The program of the release to go back to was cut off when it was copied."""
    def spoil(host):
        host.shell(f"cd /srv/shop/releases/{GOOD}; head -c 20000 shop >cut; chmod 755 cut; mv cut shop")
    _without_previous(trials, "previous_broken", spoil)


def clock_off(trials):
    """The clock of all that runs on the host is an hour ahead: of agent, helper, action, shop and nginx."""
    # The library that makes the clock wrong is one that no other host has mapped: that is drift, and such a host is
    # out of the evidence. Guardrails hold there all the same.
    case = Case(trials, "clock_off", behaviour="crash-loop", gated=False)
    host = case.host
    _set_clock(host, "[Manager]\nDefaultEnvironment=LD_PRELOAD=" + FAKETIME +
               " FAKETIME=+1h FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1\n")
    try:
        ahead = int(host.run("systemd-run", "--quiet", "--wait", "--pipe", "date", "+%s")) - time.time()
        must(ahead > 3500, f"the clock is {ahead:.0f} s ahead")
        case.wait(lambda: trials.fleet.seen()[host.name]["phase"] == "serving", 60, "it serves with its wrong clock")
        case.deploy()
        case.wait_back()
        case.finish()
    finally:
        _set_clock(host, "")
        trials.good_since[host.name] = time.monotonic()


def _set_clock(host, conf):
    host.write("/etc/systemd/system.conf.d/clock.conf", conf)
    host.shell("systemctl daemon-reexec; systemctl stop serin-rollback.service;"
               " systemctl restart nginx shop serin-agent")


FAULTS = {function.__name__: function for function in (
    power_off, power_off_switched, power_off_restarted, cut_before, cut_during, cut_after, kill_agent, kill_helper,
    kill_action, kill_helper_ten_times, kill_aggregator, start_limit, disk_full, previous_missing, previous_broken,
    clock_off, upgrade)}
