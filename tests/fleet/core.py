"""The host that NATS with JetStream and the aggregator run on."""

import hashlib

from machine import Machine

NATS_PORT, API_PORT = 4222, 8420
WATCH_WINDOW = "5m"

NATS = f"""\
host: 0.0.0.0
port: {NATS_PORT}
jetstream {{ store_dir: /var/lib/nats, max_file_store: 2GB, max_memory_store: 64MB }}
"""


def policy():
    """Serin's own, but for:
    - the window: half of what it is in earnest, so that the releases that must pass do not take an hour between them;
      the slowest finding, a leak of memory, needs four minutes at 50 requests/s.
    - must_see: what five minutes on one of a few hosts can show. A pass claims no more than that.
    - the limit of two automatic rollbacks per host and hour, which these tests would be through with in minutes."""
    return (f'[policy.default]\nmode = "enforce"\nwatch_window = "{WATCH_WINDOW}"\n'
            "must_see = { errors = 0.05, latency = 8.0 }\nmax_automatic_rollbacks_per_hour = 100\n"
            'business = { charged_again = "higher" }\n')


class Core(Machine):
    def furnish(self, receiver, token):
        self.write("/etc/nats-server.conf", NATS)
        self.write("/etc/serin/tokens.toml", '[[token]]\nname = "fleet"\nrole = "operator"\n'
                   f'sha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\n', 0o600)
        self.write("/etc/serin/notify.d/webhook.secret", receiver.secret.decode(), 0o600)
        self.path("/etc/serin/notify.d").chmod(0o700)
        self.write("/etc/serin/aggregator.toml",
                   f'[nats]\nurl = ["nats://127.0.0.1:{NATS_PORT}"]\n'
                   "[nats.streams]\ninput_bytes = 536870912\naudit_bytes = 67108864\n"
                   f'[api]\nlisten = "0.0.0.0:{API_PORT}"\ntokens = "/etc/serin/tokens.toml"\n' + policy() +
                   f'[[notify]]\nkind = "webhook"\nurl = "http://{receiver.address}:{receiver.port}/alerts"\n'
                   'secret_file = "/etc/serin/notify.d/webhook.secret"\n'
                   'on = ["rollback", "rolled_back", "rollback_failed", "recovered", "not_the_cause", "passed",'
                   ' "inconclusive", "frozen", "fleet_incident", "condemned_returned", "host_conflict", "drift"]\n')

    def make_key(self):
        """The key that signs commands; its public half, for the hosts. Before the aggregator starts."""
        self.run("serinctl", "keys", "init")
        return self.path("/etc/serin/signing.key.pub").read_text(encoding="utf-8")

    def start(self):
        self.shell("install -d -o nats -g nats -m 0700 /var/lib/nats")
        self.run("systemctl", "enable", "--now", "-q", "nats-server", "serin-aggregator")
