"""One rollback with a fault in its middle, and what must hold afterwards whatever the fault was."""

import json
import secrets
import time
import urllib.request

import gates
from assembly import SERVICE
from stage.api import seconds_of
from web import GOOD

ACTION_SECONDS = 120  # the action's time limit: no host may be down for longer
VERDICT_SECONDS = 90
END_SECONDS = 300
ONCE = ("decided", "rolled_back")


class Wrong(Exception):
    """Something that must hold and does not, in words for a person."""


def must(condition, text):
    if not condition:
        raise Wrong(text)


class Case:
    def __init__(self, trials, name, behaviour="null-field", gated=True):
        self.trials = trials
        self.fleet = trials.fleet
        self.name = name
        self.version = f"{behaviour}.{name}"
        self.fleet.shared.behaviours[self.version] = behaviour
        self.host = trials.wait_ready()
        self.done_before = self.done_files()
        self.known = {d["id"] for d in self.fleet.api.deploys(SERVICE)}
        if gated:
            gates.fit(self.host)
        self.fleet.clients.read()
        self.fleet.clients.forget_downtime()
        self.since = 0.0

    # Going on

    def wait(self, condition, seconds, what):
        return self.fleet.wait(condition, seconds, f"{self.name}: {what}", self.trials.tell_progress)

    def deploy(self):
        self.since = time.time()
        self.trials.watched = (self.version, self.since)
        self.host.deploy(self.version)

    def view(self):
        return self.fleet.deploy_at(self.version, self.since)

    def wait_watched(self):
        return self.wait(self.view, 30, "the deploy is seen")

    def wait_decided(self):
        def decided():
            view = self.view()
            return view if view and view["verdict"] == "rollback" else None
        return self.wait(decided, VERDICT_SECONDS, "it is decided")

    def wait_held(self, step):
        self.wait(lambda: gates.is_held_at(self.host, step), VERDICT_SECONDS, f"the action is held, {step}")

    def wait_state(self, *states, seconds=END_SECONDS):
        def there():
            view = self.view()
            return view if view and view["state"] in states else None
        return self.wait(there, seconds, f"the deploy is {' or '.join(states)}")

    def wait_back(self, seconds=END_SECONDS):
        self.wait(lambda: self.host.is_on() and self.host.selected() == GOOD and self.host.runs() == GOOD, seconds,
                  f"{self.host.name} runs {GOOD}")

    def act(self, verb):
        """As `serinctl rollback DEPLOY`."""
        request = urllib.request.Request(
            f"{self.fleet.api.base}/api/v1/deploys/{self.view()['id']}/{verb}", method="POST",
            data=json.dumps({"reason": f"fault {self.name}"}).encode(),
            headers={"Authorization": f"Bearer {self.fleet.token}", "Idempotency-Key": secrets.token_hex(16),
                     "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    # The end

    def done_files(self):
        folder = self.host.path("/var/lib/serin/rollback/done")
        return {file.name for file in folder.iterdir()} if folder.is_dir() else set()

    def finish(self, asked=1):
        """Waits for the end, and holds everything that must hold against it. `asked`: how often for the rollback."""
        view = self.wait_state("recovered", "not_the_cause", "rollback_failed", "frozen")
        must(view["state"] == "recovered", f"the deploy ended as {view['state']}: {view['timeline'][-1]['text']}")
        self.check_hosts()
        self.check_once(view, asked)
        self.check_downtime()
        self.leave()
        return view

    def check_hosts(self):
        """No host is left on the condemned version, running or selected."""
        for host in self.fleet.hosts:
            must(host.selected() != self.version and host.runs() != self.version, f"{host.name} is left on {self.version}")
        must(self.host.selected() == GOOD and self.host.runs() == GOOD,
             f"{self.host.name} runs {self.host.runs()}, and {self.host.selected()} is selected")

    def check_once(self, view, asked):
        """Rolled back once, and everything about it is written down: on the host, and in the aggregator's account."""
        self.wait(lambda: not gates.journal_of(self.host), 30, "the journal is closed")
        new = self.done_files() - self.done_before
        must(len(new) == 1, f"{len(new)} commands were carried out on {self.host.name}")
        text = self.host.path(f"/var/lib/serin/rollback/done/{new.pop()}").read_text(encoding="utf-8")
        words = gates.words_of(text)
        for word in ("accepted", "switched", "verified"):
            must(words.count(word) == 1, f"the host's journal says {word} {words.count(word)} times: {words}")
        kinds = [entry["kind"] for entry in view["timeline"]]
        for kind in ONCE:
            must(kinds.count(kind) == 1, f"the account says {kind} {kinds.count(kind)} times: {kinds}")
        must(kinds.count(view["state"]) == 1, f"the account does not say {view['state']} once: {kinds}")
        must(kinds.count("commanded") == asked, f"the account says commanded {kinds.count('commanded')} times: {kinds}")
        canary = next(h for h in view["hosts"] if h["host"] == self.host.name)
        must(seconds_of(canary["restored"]) and seconds_of(canary["verified"]), "restored and verified have no time")
        others = [d for d in self.fleet.api.deploys(SERVICE)
                  if d["id"] not in self.known and d["version"] != self.version and d["verdict"] == "rollback"]
        must(not others, f"{[d['version'] for d in others]} was rolled back as well")

    def check_downtime(self):
        self.fleet.clients.read()
        for host, seconds in self.fleet.clients.down.items():
            must(seconds <= ACTION_SECONDS, f"{host} answered nobody for {seconds:.0f} s")

    def leave(self):
        self.trials.watched = None
        self.trials.bring_back(self.host)
