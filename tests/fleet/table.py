"""The table of what became of each release, for people and as JSON."""

import dataclasses
import statistics

from releases import BY_NAME

COLUMNS = "{:<15}{:<8}{:<12}{:<14}{:<6}{:<22}{:>9}{:>10}{:>8}{:>7}"
HEAD = COLUMNS.format("release", "host", "expected", "seen", "right", "by", "decided s", "restored s", "harmed", "false")
MOST_OUTRIGHT, MOST_STATISTICAL = 10.0, 60.0  # seconds from the first bad request to restored and verified


class Table:
    def __init__(self, teller):
        self.teller = teller

    def head(self):
        self.teller.plain(HEAD)

    def row(self, o):
        self.teller.say(COLUMNS.format(
            o.release, o.host, o.expected, o.state.replace("_", " "), "yes" if o.as_lies else "NO", o.metric or "-",
            _number(o.decided), _number(o.restored) if o.verdict == "rollback" else "-", o.harmed, o.false_rollbacks))
        if not o.as_lies:
            self.teller.plain(f"  {o.text}")

    def foot(self, result):
        for kind, most in (("outright", MOST_OUTRIGHT), ("statistical", MOST_STATISTICAL)):
            median = result["median_seconds"][kind]
            if median is not None:
                self.teller.plain(f"median from the first bad request to restored and verified, {kind}: {median:.1f} s "
                                  f"(at most {most:.0f})")


def summary(outcomes, faults, fleet):
    median = {kind: _median(outcomes, kind == "outright") for kind in ("outright", "statistical")}
    false_rollbacks = sum(o.false_rollbacks for o in outcomes)
    well = (all(o.as_lies for o in outcomes) and false_rollbacks == 0
            and all(fault["right"] for fault in faults)
            and (median["outright"] or 0) <= MOST_OUTRIGHT and (median["statistical"] or 0) <= MOST_STATISTICAL)
    return {"hosts": len(fleet.hosts), "requests_per_second_and_host": fleet.edge.rate,
            "releases": [dataclasses.asdict(o) for o in outcomes], "median_seconds": median,
            "false_rollbacks": false_rollbacks, "faults": faults, "well": well}


def _median(outcomes, outright):
    seconds = [o.restored for o in outcomes if o.restored is not None and o.expected == "caught"
               and BY_NAME[o.release].outright == outright]
    return round(statistics.median(seconds), 1) if seconds else None


def _number(value):
    return "-" if value is None else f"{value:.1f}"
