"""One release on one host under load: what became of it, and how long that took."""

import dataclasses
import time

from assembly import SERVICE
from edge import CHECKOUTS
from stage.api import seconds_of
from stage.processes import DemoError
from web import GOOD

BASELINE_AGE = 120  # seconds: the aggregator compares with no younger process
LEAST_BASELINE = 3
VERDICT_SECONDS = 5 * 60 + 60  # the watch window, and what its last second may need
RECOVER_SECONDS = 180
READY_SECONDS = 300
CALM_AFTER = {"recovered", "not_the_cause", "rollback_failed", "frozen", "passed", "inconclusive", "withdrawn", "superseded"}


@dataclasses.dataclass
class Outcome:
    release: str
    expected: str
    host: str
    verdict: str = ""
    state: str = ""
    metric: str = ""
    text: str = ""
    decided: float = None   # seconds from the first bad request to each
    restored: float = None
    harmed: int = 0
    as_lies: bool = False
    false_rollbacks: int = 0
    note: str = ""


class Trials:
    def __init__(self, fleet, say, progress):
        self.fleet = fleet
        self.say = say
        self.progress = progress
        self.good_since = {host.name: time.monotonic() for host in fleet.hosts}  # when it last started GOOD
        self.watched = None

    # Getting ready

    def ready_host(self):
        """A host on the good release that was left alone the longest, once enough others can be compared with it."""
        seen = self.fleet.seen()
        if any(entry["deploy"] for entry in seen.values()):
            return None
        well = [host for host in self.fleet.hosts if host.name in seen and seen[host.name]["version"] == GOOD
                and not seen[host.name]["silent"] and not seen[host.name]["gone"] and seen[host.name]["phase"] == "serving"]
        old = [host for host in well if time.monotonic() - self.good_since[host.name] > BASELINE_AGE]
        least = min(LEAST_BASELINE, len(self.fleet.hosts) - 1)
        if len(old) < least + 1 or len(well) < len(self.fleet.hosts):
            return None
        return min(old, key=lambda host: self.good_since[host.name])

    def wait_ready(self):
        return self.fleet.wait(self.ready_host, READY_SECONDS, "a host that can be spared, and others to compare it with",
                               self.tell_progress)

    def tell_progress(self):
        clients = self.fleet.clients
        text = f"{clients.rate:.0f} requests/s · {clients.error_share:.1%} failed"
        deploy = self.watched and self.fleet.deploy_at(*self.watched)
        if deploy:
            nearest = max((m for m in deploy["metrics"] if m["threshold"]),
                          key=lambda m: (m["log_evidence"] or 0) / m["threshold"], default=None)
            text += f" · {deploy['version']} {deploy['state'].replace('_', ' ')}"
            if nearest:
                text += f", {nearest['metric']} {nearest['log_evidence'] or 0:.1f} of {nearest['threshold']:.1f}"
        self.progress(text)

    # The trial

    def run(self, release, stage):
        """`stage` sets up, and takes down, what the release needs around it."""
        fleet = self.fleet
        host = self.wait_ready()
        outcome = Outcome(release.name, release.expected, host.name)
        fleet.shared.behaviours[release.name] = release.shop_behaviour
        known = {d["id"] for d in fleet.api.deploys(SERVICE)}
        stage.begin(host)
        try:
            since = time.time()
            self.watched = (release.name, since)
            host.deploy(release.name)
            deploy = fleet.wait(lambda: self.with_verdict(release.name, since, stage), VERDICT_SECONDS,
                                f"a verdict about {release.name}", self.tell_progress)
            if deploy["verdict"] == "rollback":
                deploy = self.to_the_end(release.name, since)
        finally:
            self.watched = None
            stage.end(host)
        self.account(outcome, release, deploy, host, since)
        outcome.false_rollbacks = self.false_rollbacks(release, known)
        outcome.as_lies = self.is_as_lies(release, outcome, deploy)
        self.bring_back(host)
        return outcome

    def with_verdict(self, version, since, stage):
        stage.tend()
        deploy = self.fleet.deploy_at(version, since)
        return deploy if deploy and deploy["verdict"] else None

    def to_the_end(self, version, since):
        def ended():
            deploy = self.fleet.deploy_at(version, since)
            return deploy if deploy and deploy["state"] in CALM_AFTER else None
        return self.fleet.wait(ended, RECOVER_SECONDS, f"{version} is dealt with", self.tell_progress)

    def zero(self, host, version, since):
        """The first request that the release answered or failed; its deploy, if it never answered one."""
        clients = self.fleet.clients
        clients.read()
        answered = min((at for at, name, release in clients.firsts
                        if name == host.name and release == version and at >= since), default=None)
        if answered is None:
            return since
        failed = clients.first_failure(host.name, since)
        return min(answered, failed) if failed else answered

    def account(self, outcome, release, deploy, host, since):
        canary = next((h for h in deploy["hosts"] if h["host"] == host.name), None) or {}
        zero = self.zero(host, release.name, since)
        restored, verified = (seconds_of(canary.get(key)) for key in ("restored", "verified"))
        outcome.verdict, outcome.state = deploy["verdict"], deploy["state"]
        outcome.metric, outcome.text = deploy["reason"]["metric"], deploy["reason"]["text"]
        decided = seconds_of(deploy["decided"])
        outcome.decided = None if decided is None else round(decided - zero, 1)
        if verified is not None:
            outcome.restored = round(verified - zero, 1)
        outcome.harmed = len(self.fleet.clients.harmed(host.name, zero, restored or time.time()))

    def false_rollbacks(self, release, known):
        return sum(1 for d in self.fleet.api.deploys(SERVICE) if d["id"] not in known and d["verdict"] == "rollback"
                   and (d["version"] != release.name or release.expected != "caught"))

    def metrics_of(self, release):
        return release.host_metrics if self.fleet.shared.blind else release.metrics

    def is_as_lies(self, release, outcome, deploy):
        kinds = {alert["message"].get("kind") for alert in self.fleet.receiver.of_version(release.name)}
        if release.expected == "caught":
            return (outcome.verdict == "rollback" and outcome.state == "recovered" and outcome.restored is not None
                    and (outcome.metric or "").startswith(self.metrics_of(release)))
        if release.expected == "passed":
            return outcome.verdict == "pass"
        if release.expected == "reported":
            return outcome.verdict != "rollback" and "fleet_incident" in kinds
        if release.expected == "drift":
            return outcome.verdict == "inconclusive" and "drift" in outcome.text
        return outcome.verdict != "rollback"

    # Afterwards

    def bring_back(self, host):
        """The good release on the host, and the aggregator done with what was there."""
        def is_good():
            entry = self.fleet.seen().get(host.name)
            return entry and entry["version"] == GOOD and not entry["deploy"]
        if host.runs() != GOOD:
            host.deploy(GOOD)
        self.good_since[host.name] = time.monotonic()
        self.fleet.wait(is_good, 60, f"{host.name} is on {GOOD} again", self.tell_progress)


    def put_right(self):
        """Whatever a fault that ended wrong has left behind: every host on, connected, and on the good release."""
        self.watched = None
        for host in self.fleet.hosts:
            host.mend()
            if not host.is_on():
                host.boot()
                host.wait_booted()
            if host.runs() != GOOD or host.selected() != GOOD:
                host.shell("rm -rf /run/fleet /var/fill")
                host.unpack(GOOD)
                self.bring_back(host)


class NoStage:
    """Nothing around the release."""

    def begin(self, host):
        pass

    def tend(self):
        pass

    def end(self, host):
        pass
