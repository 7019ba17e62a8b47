"""Holds a host's rollback at a step for as long as a test wants, so that a fault meets it there by design and not by luck."""

HOLDS = "/run/fleet"
GATE_PORT = 8081

# The steps at which an action can be held, and the word that its journal ends with there.
JOURNALLED, SWITCHED, RESTARTED = "journalled", "switched", "restarted"
STEPS = {JOURNALLED: "accepted", SWITCHED: "switched", RESTARTED: "restarted"}

WAIT = f"""\
#!/bin/sh
while [ -e {HOLDS}/$1 ]; do sleep 0.05; done
"""
RESTART = f"""\
#!/bin/sh
/usr/local/sbin/gate {SWITCHED}
systemctl reset-failed shop.service
exec systemctl restart shop.service
"""
# A health check that fails while the gate is shut.
HEALTH = f"""\
server {{
  listen 127.0.0.1:{GATE_PORT};
  access_log off;
  location / {{
    if (-e {HOLDS}/{RESTARTED}) {{ return 503; }}
    proxy_pass http://shop;
  }}
}}
"""


def fit(host):
    """Puts the gates into a host, all of them open. What acts is root's, as the helper insists."""
    host.write("/usr/local/sbin/gate", WAIT, 0o755)
    host.write("/usr/local/sbin/gated-restart", RESTART, 0o755)
    host.write("/etc/systemd/system/serin-action@.service.d/gate.conf",
               f"[Service]\nExecStartPre=/usr/local/sbin/gate {JOURNALLED}\n")
    host.write("/etc/nginx/gate.conf", HEALTH)
    nginx = host.path("/etc/nginx/nginx.conf").read_text(encoding="utf-8")
    if "gate.conf" not in nginx:
        host.write("/etc/nginx/nginx.conf", nginx.rstrip().removesuffix("}") + "  include gate.conf;\n}\n")
    service = host.path("/etc/serin/services.d/shop.toml").read_text(encoding="utf-8")
    service = service.replace('restart = "shop.service"', 'restart = { command = ["/usr/local/sbin/gated-restart"] }')
    host.write("/etc/serin/services.d/shop.toml", service.replace("127.0.0.1:8080", f"127.0.0.1:{GATE_PORT}"))
    host.shell(f"mkdir -p {HOLDS}; systemctl daemon-reload; systemctl reload nginx")


def shut(host, *steps):
    host.shell(f"mkdir -p {HOLDS}; cd {HOLDS}; touch {' '.join(steps)}")


def open_all(host):
    host.shell(f"rm -f {HOLDS}/*")


def open_one(host, step):
    host.shell(f"rm -f {HOLDS}/{step}")


def journal_of(host):
    """The words of the rollback that is under way, read from the disk: also while the host is off. Empty: there is none."""
    try:
        text = host.path("/var/lib/serin/rollback/pending/shop").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return words_of(text)


def words_of(text):
    return [line.split()[1] for line in text.splitlines()[2:] if len(line.split()) > 1]


def is_held_at(host, step):
    words = journal_of(host)
    if step == JOURNALLED:
        # Nothing of the action has run, and it is there.
        return words == ["accepted"] and host.property("serin-action@shop", "ActiveState") == "activating"
    if step == SWITCHED:
        return "switched" in words and "restarted" not in words and runs(host, "gated-restart")
    return "restarted" in words and "healthy" not in words


def runs(host, name):
    return host.try_run("pgrep", "-f", name).returncode == 0
