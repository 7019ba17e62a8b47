"""A web host: nginx in front of the shop, and Serin's agent, all as units; and how releases come to it."""

from machine import Machine
from stage.api import Api

GOOD = "good-1"
SHOP_PORT = 8080
STATSD = "127.0.0.1:8125"
LOG = "/var/log/nginx/shop.access.log"
LOG_FORMAT = '$remote_addr - - [$time_local] "$request" $status $body_bytes_sent $request_time "$uri"'

NGINX = f"""\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  log_format shop '{LOG_FORMAT}';
  access_log {LOG} shop;
  error_log /var/log/nginx/error.log crit;
  upstream shop {{
    server 127.0.0.1:{SHOP_PORT};
    keepalive 32;
  }}
  server {{
    listen 80 default_server;
    location / {{
      proxy_pass http://shop;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_read_timeout 10s;
    }}
  }}
}}
"""

UNIT = """\
[Unit]
Description=The shop
After=network.target
[Service]
User=shop
ExecStart=/srv/shop/current/shop --config /etc/shop.conf
Restart=always
StateDirectory=shop
[Install]
WantedBy=multi-user.target
"""

SERVICE = """\
unit = "shop.service"
version = { symlink = "/srv/shop/current" }
"""

COUNTED = f"""
[[requests]]
source = "access_log"
path = "{LOG}"
format = '{LOG_FORMAT}'

[[business]]
name = "orders"
worse = "lower"
field = "$uri"
equals = "/checkout"

[[requests]]
source = "statsd"
listen = "{STATSD}"
requests = "shop.requests"   # which the shop does not send: nginx counts them

[[business]]
name = "charged_again"
worse = "higher"
metric = "shop.charged_again"
"""

PUT_BACK = f"""
[[rollback]]
action = "release_symlink"
releases = "/srv/shop/releases"
restart = "shop.service"
healthy = {{ http = "http://127.0.0.1:{SHOP_PORT}/healthz", within = "20s" }}
"""


class Web(Machine):
    def furnish(self, shared):
        """`shared`: what every host is told (nats, partner_host, partner_port, data, public_key, releases, blind)."""
        self.shared = shared
        self.binds = [(shared.data, "/srv/data")]
        self.write("/etc/shop.conf", f"port = {SHOP_PORT}\npartner_host = {shared.partner_host}\n"
                   f"partner_port = {shared.partner_port}\nclient = {self.name}\nstatsd = {STATSD}\ndata = /srv/data\n"
                   "orders = /var/lib/shop/orders.db\naccess_log = /dev/null\npayment_timeout = 800ms\n")
        self.write("/etc/systemd/system/shop.service", UNIT)
        self.write("/etc/nginx/nginx.conf", NGINX)
        self.write("/etc/serin/agent.toml", f'[nats]\nurl = ["{shared.nats}"]\n[host]\nlabels = {{ role = "shop" }}\n')
        self.write("/etc/serin/services.d/shop.toml", SERVICE + ("" if shared.blind else COUNTED) + PUT_BACK)
        self.write("/etc/serin/keys.d/signing.key.pub", shared.public_key)
        self.path("/srv/shop/releases").mkdir(parents=True)
        self.unpack(GOOD)
        self.path("/srv/shop/current").symlink_to(f"releases/{GOOD}")

    def start(self):
        """What the person who set it up does last; from then on it comes back with every boot."""
        self.run("systemctl", "enable", "--now", "-q", "nginx", "shop", "serin-agent")

    def serves(self):
        return self.is_on() and Api(80, "", self.address).ready("/healthz")

    # Deploys

    def unpack(self, name):
        folder = self.path(f"/srv/shop/releases/{name}")
        if not folder.exists():
            self.shared.unpack(name, folder)

    def deploy(self, name):
        """As any deploy script: unpack the release, a new link renamed over the old one, restart."""
        self.unpack(name)
        self.select(name)
        # A release that does not start makes no difference to the deploy script either.
        self.try_run("systemctl", "reset-failed", "shop")
        self.try_run("systemctl", "restart", "shop")

    def select(self, name):
        self.shell(f"cd /srv/shop; ln -sfn releases/{name} current.new; mv -T current.new current")

    def selected(self):
        """The release that `current` names, read from the disk: also while the host is off."""
        return self.path("/srv/shop/current").readlink().name

    def runs(self):
        """The release of the running process; None while nothing runs."""
        pid = self.property("shop", "MainPID")
        if pid == "0":
            return None
        exe = self.try_run("readlink", f"/proc/{pid}/exe").stdout.strip()
        return exe.split("/")[-2] if exe.endswith("/shop") else None
