"""What the shop's customers saw, from the load generator's account."""

import json


class Clients:
    def __init__(self, account):
        self.account = account
        self.totals = {}      # host -> ending -> count
        self.failures = []    # every failed request
        self.firsts = []      # (at, host, release): another release answered for the first time
        self._before = (0.0, {})
        self.rate = 0.0       # requests ended per second, over the last second
        self.error_share = 0.0
        self._file = None
        self._partial = ""

    def read(self):
        """Takes in what was written since the last call."""
        if self._file is None:
            try:
                self._file = open(self.account, encoding="utf-8")
            except FileNotFoundError:
                return
        self._partial += self._file.read()
        *lines, self._partial = self._partial.split("\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, entry):
        if "failed" in entry:
            self.failures.append(entry)
        elif "first_of" in entry:
            self.firsts.append((entry["at"], entry["host"], entry["first_of"]))
        else:
            self._take_totals(entry)

    def _take_totals(self, entry):
        at_before, before = self._before
        self.totals = entry["totals"]
        sums = {}
        for counts in self.totals.values():
            for ending, count in counts.items():
                sums[ending] = sums.get(ending, 0) + count
        ended = sum(sums.values()) - sum(before.values())
        good = sum(sums.get(k, 0) - before.get(k, 0) for k in ("ok", "client_error"))
        if at_before and entry["at"] > at_before:
            self.rate = ended / (entry["at"] - at_before)
            self.error_share = (ended - good) / ended if ended else 0.0
        self._before = (entry["at"], sums)

    def first_answer(self, host, release):
        return min((at for at, h, r in self.firsts if h == host and r == release), default=None)

    def harmed(self, host, begin, end):
        """Requests to a host that got a server error or no answer between two moments."""
        return [f for f in self.failures if f["host"] == host and begin <= f["ended"] <= end]

    def first_failure(self, host, after):
        return min((f["ended"] for f in self.failures if f["host"] == host and f["began"] >= after),
                   default=None)

    def close(self):
        if self._file is not None:
            self._file.close()
