"""The customers' account, and how long each host served nobody."""

from stage.clients import Clients


class Customers(Clients):
    def __init__(self, account):
        super().__init__(account)
        self.forget_downtime()
        self._well = {}  # host -> (requests answered well, when there was the last of them)

    def forget_downtime(self):
        """Measures from here on."""
        self.down = {}  # host -> the longest time in seconds without an answer that was well
        self._since = None

    def _take_totals(self, entry):
        super()._take_totals(entry)
        at = entry["at"]
        if self._since is None:
            self._since = at
            self._well = {}
        for host, counts in self.totals.items():
            well = counts["ok"] + counts["client_error"]
            before, last = self._well.get(host, (None, at))
            if well != before:
                last = at
            self.down[host] = max(self.down.get(host, 0.0), at - last)
            self._well[host] = (well, last)
