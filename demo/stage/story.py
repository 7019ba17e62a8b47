"""What happens in the demo, in order, and how it is told."""

import json
import sys
import time

from .api import seconds_of
from .fleet import REQUESTS_PER_SECOND_AND_HOST, SERVICE
from .processes import DemoError

HISTORY_SECONDS = 30         # what the judge knows of the fleet before the first deploy
SETTLE_SECONDS = 60
VERDICT_SECONDS = 120
RECOVER_SECONDS = 130
ALERT_SECONDS = 20
SAME_SECONDS = 1e-3          # a capture keeps microseconds; a float of seconds since 1970 not quite
CONDEMNED_ENDS = ("recovered", "not_the_cause", "rollback_failed", "frozen")


class Teller:
    """Prints the story to people, with a line of progress that renews itself where there is a terminal."""

    def __init__(self, out):
        self.out = out
        self.begun = time.monotonic()
        self.live = out.isatty()
        self._progress_at = 0.0
        self._progress_shown = False

    def clock(self):
        return f"{time.monotonic() - self.begun:5.1f} s"

    def say(self, text=""):
        if self._progress_shown:
            self.out.write("\r\x1b[K")
            self._progress_shown = False
        self.out.write(f"{self.clock()}  {text}\n" if text else "\n")
        self.out.flush()

    def plain(self, text):
        for line in text.splitlines():
            self.out.write(f"         {line}\n")
        self.out.flush()

    def progress(self, text):
        now = time.monotonic()
        if now - self._progress_at < (0.5 if self.live else 5.0):
            return
        self._progress_at = now
        if self.live:
            self.out.write(f"\r\x1b[K{self.clock()}  {text}")
            self._progress_shown = True
        else:
            self.out.write(f"{self.clock()}    … {text}\n")
        self.out.flush()


class Story:
    def __init__(self, fleet, chaos, teller, bad_release, good_release, old_release):
        self.fleet = fleet
        self.chaos = chaos
        self.teller = teller
        self.bad, self.good, self.old = bad_release, good_release, old_release
        self.bad_host = fleet.hosts[1]
        self.good_host = fleet.hosts[2]
        self.record_to = None
        self.watched = None  # the version whose deploy the progress line speaks of
        self.result = {"hosts": len(fleet.hosts), "bad": None, "good": None, "alerts_delivered": 0}
        self.faults = []     # what did not go as it should have

    def meanwhile(self):
        self.chaos.tend(time.monotonic())
        clients = self.fleet.clients
        text = f"{len(self.fleet.hosts)} hosts · {clients.rate:.0f} requests/s · {clients.error_share:.1%} failed"
        if self.watched:
            text += self._watch_words()
        self.teller.progress(text)

    def _watch_words(self):
        deploy = self.fleet.api.deploy_of(SERVICE, self.watched)
        if not deploy:
            return f" · {self.watched}: not seen yet" if self.fleet.api.ready() else " · no answer from the aggregator"
        words = f" · {self.watched} {deploy['state'].replace('_', ' ')}"
        for metric in deploy.get("metrics") or []:
            if metric["metric"] == "errors" and not metric["host"]:
                words += (f", errors {_percent(metric['canary'])} against {_percent(metric['baseline'])}"
                          f", evidence {metric['log_evidence'] or 0:.1f} of {metric['threshold'] or 0:.1f}")
        return words

    def wait(self, condition, seconds, what):
        return self.fleet.wait_for(condition, seconds, what, self.meanwhile)

    # The good fleet

    def settle(self):
        fleet, say = self.fleet, self.teller.say
        say(f"Starting {len(fleet.hosts)} hosts with release {self.old}, a payment partner, and customers "
            f"({REQUESTS_PER_SECOND_AND_HOST} requests/s for each host).")
        fleet.start_hosts()
        fleet.start_broker()
        for host in fleet.hosts:
            self.wait(lambda host=host: fleet.healthy(host), 20, f"the shop of {host.name} answers")
        fleet.start_load()
        self.chaos.moments["traffic"] = time.monotonic()
        fleet.start_aggregator()
        self.wait(fleet.api.ready, 20, "the aggregator is ready")
        if self.record_to:
            fleet.start_recording(self.record_to)
        fleet.start_agents()
        self.wait(self._all_heard, SETTLE_SECONDS, "every host is heard")
        heard = time.monotonic()
        say(f"Every host has an agent that reports to the aggregator. Letting {HISTORY_SECONDS} s of normal "
            "traffic pass.")
        self.wait(lambda: time.monotonic() - heard >= HISTORY_SECONDS, HISTORY_SECONDS + 5, "history")
        self.wait(self._all_heard, SETTLE_SECONDS, "every host is heard")
        services = [s for s in (fleet.api.get("/api/v1/services") or {}).get("services", []) if s["name"] == SERVICE]
        if not services or self.old not in services[0]["settled"]:
            raise DemoError(f"{self.old} is not settled: {services}")

    def _all_heard(self):
        hosts = self.fleet.api.hosts(SERVICE)
        good = [h for h in hosts if h["version"] == self.old and not h["silent"] and not h["gone"] and h["samples"] > 0]
        return len(good) == len(self.fleet.hosts)

    # The bad release

    def bad_release(self):
        fleet, say, host = self.fleet, self.teller.say, self.bad_host
        old_starts = len(host.starts_of(self.old))
        say()
        say(f"A deploy script brings release {self.bad} to {host.name}, as it would anywhere:")
        self.teller.plain(f"ln -s releases/{self.bad} current.new && mv -T current.new current && restart shop")
        self.watched = self.bad
        self.chaos.moments["bad"] = time.monotonic()
        host.deploy(self.bad)
        deploy = self.wait(lambda: self._with_verdict(self.bad), VERDICT_SECONDS, f"a verdict about {self.bad}")
        if deploy["verdict"] != "rollback":
            say(f"The verdict is {deploy['verdict']}: {deploy['reason']['text']}")
            self.faults.append(f"{self.bad}: the verdict is {deploy['verdict']}, not rollback")
            return self._account_bad(deploy, None)
        say(f"Caught: {deploy['reason']['text']}")
        deploy = self.wait(lambda: self._at_end(self.bad, CONDEMNED_ENDS), RECOVER_SECONDS, f"{self.bad} is dealt with")
        if deploy["state"] == "recovered":
            say(f"{host.name} is back on {self.old}, verified, and does as well as the other hosts.")
            self.wait(lambda: self._alerts(self.bad, "recovered"), ALERT_SECONDS, "the last alert arrives")
        else:
            say(f"The deploy ended as {deploy['state']}.")
        say("The alerts, as they arrived in the chat (each signature checked):")
        for alert in self.fleet.receiver.of_version(self.bad):
            self.teller.plain(alert["message"].get("text", ""))
        if not self._alerts(self.bad, "rollback"):
            self.faults.append(f"{self.bad}: no alert of the rollback arrived")
        back = len(host.starts_of(self.old)) - old_starts
        if back != 1:
            self.faults.append(f"{host.name} was put back {back} times, not once")
        return self._account_bad(deploy, self._canary(deploy, host))

    def _with_verdict(self, version):
        deploy = self.fleet.api.deploy_of(SERVICE, version)
        return deploy if deploy and deploy["verdict"] else None

    def _at_end(self, version, ends):
        deploy = self.fleet.api.deploy_of(SERVICE, version)
        return deploy if deploy and deploy["state"] in ends else None

    def _alerts(self, version, kind):
        return [a for a in self.fleet.receiver.of_version(version) if a["message"].get("kind") == kind]

    @staticmethod
    def _canary(deploy, host):
        return next((h for h in deploy["hosts"] if h["host"] == host.name), None)

    def _zero(self, host, release):
        """The first request that the release answered or failed; its first start if it never answered one."""
        self.fleet.clients.read()
        started = host.starts_of(release)[0]
        answered = self.fleet.clients.first_answer(host.name, release)
        if answered is None:
            return started
        failed = self.fleet.clients.first_failure(host.name, started)
        return min(answered, failed) if failed else answered

    def _account_bad(self, deploy, canary):
        zero = self._zero(self.bad_host, self.bad)
        decided = seconds_of(deploy["decided"])
        restored = seconds_of(canary["restored"]) if canary else None
        verified = seconds_of(canary["verified"]) if canary else None
        harmed = self.fleet.clients.harmed(self.bad_host.name, zero, restored or time.time())
        recovered = deploy["state"] == "recovered"
        self.result["bad"] = {
            "release": self.bad, "verdict": deploy["verdict"], "metric": deploy["reason"]["metric"],
            "decided_seconds": _since(zero, decided), "restored_seconds": _since(zero, verified),
            "requests_harmed": len(harmed), "recovered": recovered}
        if not recovered:
            self.faults.append(f"{self.bad}: ended as {deploy['state']}, not recovered")
        if canary and verified is None:
            self.faults.append(f"{self.bad}: the return to {self.old} was not verified")
        self._tell_timeline(deploy, zero, len(harmed))

    def _tell_timeline(self, deploy, zero, harmed):
        self.teller.say()
        begun = "request that the bad release got its hands on"
        if self.fleet.clients.first_answer(self.bad_host.name, self.bad) is None:
            begun = "start of the bad release, which never answered a request"
        self.teller.say(f"What happened, in seconds from the first {begun}:")
        for entry in self.fleet.api.timeline(deploy["id"]):
            at = seconds_of(entry["at"])
            host = entry["host"] or ""
            self.teller.plain(f"{at - zero:+7.1f}  {entry['kind'].replace('_', ' '):<19}{host:<8}{entry['text']}")
        self.teller.plain(f"Customers' requests harmed until {self.old} was back: {harmed}")
        self.teller.say()

    # The good release

    def good_release(self):
        fleet, say, host = self.fleet, self.teller.say, self.good_host
        say(f"Now a good release: {self.good} on {host.name}. It is watched in the same way.")
        self.watched = self.good
        self.chaos.moments["good"] = time.monotonic()
        host.deploy(self.good)
        deploy = self.wait(lambda: self._with_verdict(self.good), VERDICT_SECONDS, f"a verdict about {self.good}")
        self.watched = None
        say(f"Verdict {deploy['verdict']}: {deploy['reason']['text']}")
        zero = self._zero(host, self.good)
        self.result["good"] = {"release": self.good, "verdict": deploy["verdict"],
                               "decided_seconds": _since(zero, seconds_of(deploy["decided"]))}
        if deploy["verdict"] != "pass":
            self.faults.append(f"{self.good}: the verdict is {deploy['verdict']}, not pass")
        else:
            self.wait(lambda: self._alerts(self.good, "passed"), ALERT_SECONDS, "the message of the pass arrives")

    # The end

    def check(self):
        """What must hold at the end, whatever happened on the way."""
        for deploy in self.fleet.api.deploys(SERVICE):
            if deploy["version"] != self.bad and deploy["verdict"] == "rollback":
                self.faults.append(f"{deploy['version']} was rolled back, and was not at fault")
        expected = {h.name: self.old for h in self.fleet.hosts} | {self.good_host.name: self.good}
        for host in self.fleet.hosts:
            running = host.history()[-1]
            if running["event"] != "started" or running["release"] != expected[host.name]:
                if host is self.bad_host and self.result["bad"]["verdict"] != "rollback":
                    continue  # told already
                self.faults.append(f"{host.name} should run {expected[host.name]}: {running}")
        if self.fleet.receiver.refused:
            self.faults.append(f"{self.fleet.receiver.refused} alerts had a bad signature")
        self.result["alerts_delivered"] = self.fleet.receiver.delivered()

    def tell(self):
        self.settle()
        self.bad_release()
        self.good_release()
        self.check()
        if self.record_to:
            self.replay()
        return self.result

    def replay(self):
        """The capture, judged again, must come to the same verdicts at the same times."""
        live = {d["id"]: (d["verdict"], seconds_of(d["decided"])) for d in self.fleet.api.deploys(SERVICE)}
        self.fleet.stop_recording()
        answer = json.loads(self.fleet.run("serinctl", "replay", "--format", "json", self.record_to))
        again = {d["id"]: (d["verdict"], d["decided_at"]) for d in answer["deploys"]}
        same = live.keys() == again.keys() and all(
            live[i][0] == again[i][0] and abs(live[i][1] - again[i][1]) < SAME_SECONDS for i in live)
        if same:
            self.teller.say(f"{self.record_to}, judged again, gives the same verdicts at the same times.")
        else:
            self.faults.append(f"{self.record_to}, judged again, gives {again}, and live it was {live}")


def _since(zero, at):
    return None if at is None else round(at - zero, 1)


def _percent(share):
    return "?" if share is None else f"{share:.1%}"


def narrator(json_wanted):
    return Teller(sys.stderr if json_wanted else sys.stdout)
