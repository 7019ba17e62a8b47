"""The demo's own bookkeeping: what it reports must not depend on luck or on a kind eye."""

import hashlib
import hmac
import json
import pathlib
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "demo"))

from stage.api import seconds_of  # noqa: E402
from stage.chaos import Chaos, Kill, parse_kill  # noqa: E402
from stage.clients import Clients  # noqa: E402
from stage.hosts import Host  # noqa: E402
from stage.processes import Crew, DemoError, Program, free_ports  # noqa: E402
from stage.receiver import Receiver, signature_is_good  # noqa: E402


def signed(secret, body, stamp):
    digest = hmac.new(secret, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


class Signatures(unittest.TestCase):
    def test_a_good_one_is_taken(self):
        self.assertTrue(signature_is_good(b"k", signed(b"k", b"{}", 1000), b"{}", 1100))

    def test_another_key_another_body_an_old_one_or_none_is_refused(self):
        self.assertFalse(signature_is_good(b"k", signed(b"x", b"{}", 1000), b"{}", 1000))
        self.assertFalse(signature_is_good(b"k", signed(b"k", b"{}", 1000), b"{ }", 1000))
        self.assertFalse(signature_is_good(b"k", signed(b"k", b"{}", 1000), b"{}", 1301))
        for header in ("", "t=", "t=1000", "v1=00", "t=1000,v1=", "t=x,v1=y"):
            self.assertFalse(signature_is_good(b"k", header, b"{}", 1000), header)

    def test_the_receiver_counts_what_it_answered_with_200_only(self):
        receiver = Receiver(b"k")
        try:
            body = json.dumps({"version": "v", "kind": "rollback"}).encode()
            for header in (signed(b"k", body, int(time.time())), signed(b"x", body, int(time.time()))):
                request = urllib.request.Request(f"http://127.0.0.1:{receiver.port}/", data=body,
                                                 headers={"Serin-Signature": header, "Serin-Delivery": "d"})
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                try:
                    opener.open(request, timeout=5).close()
                except urllib.error.HTTPError as refused:
                    self.assertEqual(refused.code, 401)
            self.assertEqual((receiver.delivered(), receiver.refused), (1, 1))
            self.assertEqual(len(receiver.of_version("v")), 1)
        finally:
            receiver.close()


class Kills(unittest.TestCase):
    HOSTS = {"traffic": "web-02", "bad": "web-02", "good": "web-03"}

    def test_moments(self):
        self.assertEqual(parse_kill("aggregator@12.5", self.HOSTS), Kill("aggregator", "traffic", 12.5))
        self.assertEqual(parse_kill("agent@bad+1", self.HOSTS), Kill("agent:web-02", "bad", 1.0))
        self.assertEqual(parse_kill("agent@good+1", self.HOSTS), Kill("agent:web-03", "good", 1.0))
        self.assertEqual(parse_kill("helper:web-04@good+0", self.HOSTS), Kill("helper:web-04", "good", 0.0))

    def test_nonsense_is_refused(self):
        for text in ("aggregator", "shop@1", "nats:web-01@1", "agent@later+1", "agent@bad+x"):
            with self.assertRaises(ValueError, msg=text):
                parse_kill(text, self.HOSTS)

    def test_each_kill_happens_once_and_not_before_its_moment(self):
        class Recorder:
            killed = []

            def kill(self, name, _):
                self.killed.append(name)

        chaos = Chaos([Kill("nats", "bad", 2.0)], Recorder(), lambda _: None)
        chaos.tend(100)
        chaos.moments["bad"] = 100
        chaos.tend(101.9)
        self.assertEqual(Recorder.killed, [])
        chaos.tend(102)
        chaos.tend(103)
        self.assertEqual(Recorder.killed, ["nats"])


class Account(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self.folder.name) / "load.jsonl"
        self.clients = Clients(self.file)

    def tearDown(self):
        self.clients.close()
        self.folder.cleanup()

    def write(self, text):
        with open(self.file, "a", encoding="utf-8") as out:
            out.write(text)
        self.clients.read()

    def test_harm_is_counted_on_one_host_between_two_moments(self):
        for at, host in ((9, "a"), (10, "a"), (11, "b"), (12, "a"), (13, "a")):
            self.write(json.dumps({"began": at - 1, "ended": at, "host": host, "failed": "refused", "status": 0,
                                   "release": "", "path": "/"}) + "\n")
        self.assertEqual(len(self.clients.harmed("a", 10, 12)), 2)
        self.assertEqual(self.clients.first_failure("a", 9.5), 12)

    def test_a_torn_line_waits_for_its_end(self):
        self.write('{"at":1.0,"host":"a","fi')
        self.assertEqual(self.clients.firsts, [])
        self.write('rst_of":"v2"}\n')
        self.assertEqual(self.clients.first_answer("a", "v2"), 1.0)
        self.assertIsNone(self.clients.first_answer("a", "v3"))

    def test_rates_are_of_the_last_second(self):
        for at, ok, bad in ((10, 100, 0), (11, 190, 10)):
            self.write(json.dumps({"at": at, "totals": {"a": {"ok": ok, "server_error": bad}}, "in_flight": 0}) + "\n")
        self.assertAlmostEqual(self.clients.rate, 100)
        self.assertAlmostEqual(self.clients.error_share, 0.1)


class Programs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.crew = Crew()

    def tearDown(self):
        self.crew.end()
        self.folder.cleanup()

    def start(self, *argv):
        return self.crew.start(Program("it", argv, pathlib.Path(self.folder.name) / "it.log"))

    def test_what_was_killed_on_purpose_comes_back(self):
        program = self.start("sleep", "60")
        first = program.process.pid
        self.crew.kill("it", 0)
        self.crew.tend()
        self.assertTrue(program.running())
        self.assertNotEqual(program.process.pid, first)

    def test_what_ends_by_itself_is_an_error_that_shows_its_last_words(self):
        program = self.start("sh", "-c", "echo goodbye; exit 3")
        program.process.wait()
        with self.assertRaisesRegex(DemoError, "status 3(.|\n)*goodbye"):
            self.crew.tend()

    def test_free_ports_lie_below_those_of_clients(self):
        ports = free_ports(5)
        lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
        self.assertEqual(len(set(ports)), 5)
        self.assertLess(max(ports), lowest)


class Hosts(unittest.TestCase):
    def test_a_switch_replaces_the_link_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            host = Host("web-01", pathlib.Path(folder), 1)
            for release in ("v1", "v2"):
                host.switch(release)
                self.assertEqual(str(host.current.readlink()), f"releases/{release}")

    def test_times_of_the_api(self):
        self.assertAlmostEqual(seconds_of("1970-01-01T00:00:01.250000Z"), 1.25)
        self.assertIsNone(seconds_of(None))


if __name__ == "__main__":
    unittest.main()
