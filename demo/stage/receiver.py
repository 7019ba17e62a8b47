"""The chat that alerts are delivered to: a webhook receiver that checks every signature."""

import hashlib
import hmac
import http.server
import json
import threading
import time

ALLOWED_AGE_SECONDS = 300
MOST_BODY_BYTES = 1 << 20


def signature_is_good(secret, header, body, now):
    """`t=<unix>,v1=<hex HMAC-SHA256 of "t.body">`, not older than five minutes."""
    fields = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp, given = fields.get("t", ""), fields.get("v1", "")
    if not stamp.isdigit() or abs(now - int(stamp)) > ALLOWED_AGE_SECONDS:
        return False
    expected = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, given)


class Receiver:
    """Listens on a port of its own choice. `alerts` holds every message that was answered with 2xx."""

    def __init__(self, secret, address="127.0.0.1"):
        self.secret = secret
        self.alerts = []
        self.refused = 0
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # the name that http.server asks for
                length = min(int(self.headers.get("Content-Length", 0)), MOST_BODY_BYTES)
                body = self.rfile.read(length)
                good = receiver.take(self.headers, body)
                self.send_response(200 if good else 401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self.address, self.port = self._server.server_address[:2]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, headers, body):
        good = signature_is_good(self.secret, headers.get("Serin-Signature", ""), body, time.time())
        with self._lock:
            if not good:
                self.refused += 1
                return False
            try:
                message = json.loads(body)
            except ValueError:
                self.refused += 1
                return False
            self.alerts.append({"delivery": headers.get("Serin-Delivery", ""), "message": message,
                                "at": time.time()})
            return True

    def delivered(self):
        with self._lock:
            return len(self.alerts)

    def of_version(self, version):
        """The distinct messages about one version: delivery is at least once."""
        with self._lock:
            seen = {}
            for alert in self.alerts:
                if alert["message"].get("version") == version:
                    seen.setdefault(alert["delivery"], alert)
            return list(seen.values())

    def told(self, version, kind):
        """Whether a message of that kind about the version has arrived."""
        return any(alert["message"].get("kind") == kind for alert in self.of_version(version))

    def close(self):
        self._server.shutdown()
        self._server.server_close()
