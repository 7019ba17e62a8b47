"""One demo host: a folder with everything that a real host would have in /etc, /srv and /var."""

import json
import os
import shutil
import subprocess

LOG_FORMAT = ('$remote_addr - - [$time_local] "$request" $status $body_bytes_sent $request_time')


def install(source, target, mode):
    """A copy with permissions of its own: the helper trusts no program that others than its owner may write, and
    whoever built this tree may have a generous umask."""
    shutil.copyfile(source, target)
    target.chmod(mode)


class Host:
    def __init__(self, name, root, port):
        self.name = name
        self.root = root
        self.port = port
        self.releases = root / "releases"
        self.current = root / "current"
        self.etc = root / "etc"
        self.supervisor = root / "bin" / "shop-supervisor"
        self.helper_socket = root / "run" / "rollback.sock"
        self.supervisor_journal = root / "logs" / "supervisor.jsonl"

    def build(self, bin_dir, releases, shared):
        """Lays the folder out: releases, configuration, pinned key. `shared`: data folder, partner's port, NATS
        port, public key."""
        for folder in ("bin", "run", "logs", "etc/services.d", "etc/keys.d", "state/agent", "state/rollback"):
            (self.root / folder).mkdir(parents=True)
        install(bin_dir / "shop-supervisor", self.supervisor, 0o755)
        for release in releases:
            self.add_release(bin_dir, release)
        self.switch(releases[0])
        (self.root / "shop.conf").write_text(
            f"# production's configuration of {self.name}\n"
            f"port = {self.port}\n"
            f"partner_port = {shared.partner_port}\n"
            f"data = {shared.data}\n"
            f"orders = {self.root}/orders.db\n"
            f"access_log = {self.root}/logs/access.log\n"
            "payment_timeout = 800ms\n", encoding="utf-8")
        install(shared.public_key, self.etc / "keys.d" / "demo.pub", 0o644)
        self._write_agent(shared)
        self._write_service()

    def add_release(self, bin_dir, name):
        folder = self.releases / name
        folder.mkdir(parents=True)
        install(bin_dir / "shop", folder / "shop", 0o755)
        (folder / "behaviour").write_text(f"{name}\n", encoding="utf-8")

    def _write_agent(self, shared):
        (self.etc / "agent.toml").write_text(
            "[nats]\n"
            f'url = ["nats://127.0.0.1:{shared.nats_port}"]\n\n'
            "[host]\n"
            f'id = "{self.name}"\n'
            'labels = { role = "shop" }\n\n'
            "[agent]\n"
            f'state_dir = "{self.root}/state/agent"\n'
            f'helper_socket = "{self.helper_socket}"\n', encoding="utf-8")

    def _write_service(self):
        service = self.etc / "services.d" / "shop.toml"
        service.write_text(
            f'pid_file = "{self.root}/run/shop.pid"\n'
            f'version = {{ symlink = "{self.current}" }}\n\n'
            "[[requests]]\n"
            'source = "access_log"\n'
            f'path = "{self.root}/logs/access.log"\n'
            f"format = '{LOG_FORMAT}'\n\n"
            "[[rollback]]\n"
            'action = "release_symlink"\n'
            f'releases = "{self.releases}"\n'
            f'restart = {{ command = ["{self.supervisor}", "restart", "{self.root}"] }}\n'
            f'healthy = {{ http = "http://127.0.0.1:{self.port}/healthz", within = "20s" }}\n',
            encoding="utf-8")
        service.chmod(0o644)

    def switch(self, release):
        """What every deploy script does: a new link beside the old one, renamed over it."""
        fresh = self.root / ".current.new"
        os.symlink(f"releases/{release}", fresh)
        os.replace(fresh, self.current)

    def deploy(self, release):
        self.switch(release)
        subprocess.run([self.supervisor, "restart", self.root], check=True, timeout=15,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def history(self):
        """Every start and end of the shop here, as the supervisor noted them."""
        try:
            with open(self.supervisor_journal, encoding="utf-8") as lines:
                return [json.loads(line) for line in lines if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def starts_of(self, release):
        return [event["at"] for event in self.history()
                if event["event"] == "started" and event["release"] == release]
