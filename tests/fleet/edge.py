"""What is outside of the fleet: the balancer, the customers and the payment partner."""

import pathlib
import urllib.request

from network import GATE

PARTNER_PORT = 9090
FIRST_PORT = 9101  # of the balancer, one for each host: a visit stays with the host that it began on
CHECKOUTS = 0.10  # of the customers' requests
HEADROOM = 1.75  # what the partner agreed to, against what a good release asks for


class Edge:
    def __init__(self, bin_dir, folder, crew, rate, seed):
        self.bin = bin_dir
        self.folder = folder
        self.crew = crew
        self.rate = rate
        self.seed = seed
        self.account = folder / "load.jsonl"

    def start(self, hosts, start_program):
        servers = ""
        for i, host in enumerate(hosts):
            servers += (f"  upstream {host.name} {{ server {host.address}:80; keepalive 64; }}\n"
                        f"  server {{ listen 127.0.0.1:{FIRST_PORT + i}; location / {{ proxy_pass http://{host.name}; }} }}\n")
        config = self.folder / "balancer.conf"
        temp = "".join(f"  {kind}_temp_path {self.folder}/balancer-{kind};\n"
                       for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config.write_text(
            f"user root;\nworker_processes 1;\ndaemon off;\npid {self.folder}/balancer.pid;\n"
            f"error_log {self.folder}/balancer.log crit;\nevents {{ worker_connections 4096; }}\nhttp {{\n"
            f"  access_log off;\n{temp}"
            '  proxy_http_version 1.1;\n  proxy_set_header Connection "";\n  proxy_next_upstream off;\n'
            f"  proxy_connect_timeout 2s;\n{servers}}}\n", encoding="utf-8")
        start_program("balancer", "nginx", "-c", config, "-e", self.folder / "balancer.log")
        start_program("partner", self.bin / "shop-partner", "--listen", GATE, "--port", PARTNER_PORT,
                      "--limit", f"{self.rate * CHECKOUTS * HEADROOM:.1f}", "--seed", self.seed)
        targets = [word for i, host in enumerate(hosts) for word in ("--host", f"{host.name}={FIRST_PORT + i}")]
        start_program("load", self.bin / "shop-load", *targets, "--rate", self.rate, "--seed", self.seed,
                      "--out", self.account)

    @staticmethod
    def degrade_partner(share):
        """So many of the partner's answers say that it is busy."""
        with urllib.request.urlopen(f"http://{GATE}:{PARTNER_PORT}/degrade?share={share}", timeout=5) as answer:
            answer.read()

    @staticmethod
    def slow_database(data, times):
        """Every host's round trips to the shared database take so many times as long; 1 ends it."""
        load = pathlib.Path(data) / "LOAD"
        if times == 1:
            load.unlink(missing_ok=True)
        else:
            load.write_text(f"{times}\n", encoding="ascii")
