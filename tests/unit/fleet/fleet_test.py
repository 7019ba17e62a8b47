"""The fleet's reckoning: what counts as caught, what a journal says, how long nobody was served."""

import json
import pathlib
import sys
import tempfile
import types
import unittest

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path[:0] = [str(SOURCE / "demo"), str(SOURCE / "tests" / "fleet")]

from customers import Customers  # noqa: E402  (the path must be set first)
from gates import words_of  # noqa: E402
from releases import BY_NAME, RELEASES  # noqa: E402
from table import summary  # noqa: E402
from trial import Outcome, Trials  # noqa: E402

FLEET = types.SimpleNamespace(hosts=[1, 2, 3], edge=types.SimpleNamespace(rate=50))


def outcome(release, **given):
    values = {"verdict": "rollback", "state": "recovered", "as_lies": True, "restored": 5.0} | given
    return Outcome(release, BY_NAME[release].expected, "web-01", **values)


class TheTable(unittest.TestCase):
    def test_medians_are_apart_for_what_fails_outright(self):
        result = summary([outcome("null-field", restored=3.0), outcome("crash-loop", restored=1.0),
                          outcome("cpu", restored=50.0)], [], FLEET)
        self.assertEqual(result["median_seconds"], {"outright": 2.0, "statistical": 50.0})
        self.assertTrue(result["well"])

    def test_a_slow_median_is_not_well(self):
        self.assertFalse(summary([outcome("null-field", restored=10.5)], [], FLEET)["well"])
        self.assertFalse(summary([outcome("cpu", restored=60.5)], [], FLEET)["well"])

    def test_a_false_rollback_is_not_well(self):
        self.assertFalse(summary([outcome("cpu", false_rollbacks=1)], [], FLEET)["well"])

    def test_a_fault_that_ends_wrong_is_not_well(self):
        fault = {"fault": "power_off", "right": False, "problem": "it is off"}
        self.assertFalse(summary([], [fault], FLEET)["well"])

    def test_every_row_of_the_shop_has_a_release(self):
        shop = (SOURCE / "demo" / "shop" / "release.cpp").read_text(encoding="utf-8")
        for release in RELEASES:
            self.assertIn(f'"{release.shop_behaviour}"', shop)


class TheVerdict(unittest.TestCase):
    def judge(self, release, **given):
        kinds = given.pop("kinds", [])
        alerts = [{"message": {"kind": kind}} for kind in kinds]
        shared = types.SimpleNamespace(blind=given.pop("blind", False))
        fleet = types.SimpleNamespace(hosts=[], shared=shared, receiver=types.SimpleNamespace(of_version=lambda _: alerts))
        return Trials(fleet, None, None).is_as_lies(BY_NAME[release], outcome(release, **given), None)

    def test_caught_means_by_a_metric_that_lies_names_and_recovered(self):
        self.assertTrue(self.judge("lock", metric="latency_p90"))
        self.assertFalse(self.judge("lock", metric="errors"))
        self.assertFalse(self.judge("lock", metric="latency_p90", state="not_the_cause"))
        self.assertFalse(self.judge("lock", metric="latency_p90", restored=None))

    def test_where_nobody_counts_requests_what_the_host_shows_is_meant(self):
        self.assertTrue(self.judge("lock", metric="threads", blind=True))
        self.assertFalse(self.judge("lock", metric="latency_p90", blind=True))

    def test_a_good_release_must_pass(self):
        self.assertTrue(self.judge("good-2", verdict="pass"))
        self.assertFalse(self.judge("good-2", verdict="inconclusive"))

    def test_an_incident_must_be_told_and_not_blamed(self):
        self.assertTrue(self.judge("fleet-incident", verdict="pass", kinds=["fleet_incident"]))
        self.assertFalse(self.judge("fleet-incident", verdict="pass"))
        self.assertFalse(self.judge("fleet-incident", verdict="rollback", kinds=["fleet_incident"]))

    def test_drift_must_be_named(self):
        self.assertTrue(self.judge("drifted-host", verdict="inconclusive", text="inconclusive: drift, limits.nofile"))
        self.assertFalse(self.judge("drifted-host", verdict="inconclusive", text="no traffic"))


class TheJournal(unittest.TestCase):
    def test_its_words_stand_behind_head_and_command(self):
        text = "serin-rollback/1 ab shop\nsigned 00ff\n1 accepted\n2 run 1\n3 switched\n"
        self.assertEqual(words_of(text), ["accepted", "run", "switched"])


class TheCustomers(unittest.TestCase):
    def test_downtime_is_the_longest_time_without_an_answer(self):
        with tempfile.TemporaryDirectory() as folder:
            account = pathlib.Path(folder) / "load.jsonl"
            well = [0, 50, 100, 100, 100, 150]
            account.write_text("".join(json.dumps(
                {"at": 10.0 + i, "totals": {"web-01": {"ok": count, "client_error": 0, "timeout": 7 * i}}}) + "\n"
                for i, count in enumerate(well)), encoding="utf-8")
            customers = Customers(account)
            customers.read()
            customers.close()
            self.assertEqual(customers.down, {"web-01": 2.0})


if __name__ == "__main__":
    unittest.main()
