"""What the demo asks the aggregator: the same REST API as everybody else."""

import datetime
import json
import urllib.error
import urllib.request

REQUEST_SECONDS = 3


class Api:
    def __init__(self, port, token, address="127.0.0.1"):
        self.base = f"http://{address}:{port}"
        self.token = token
        # A proxy from the environment must not stand between us and this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path):
        """The JSON answer, or None while nobody answers (or answers with an error)."""
        request = urllib.request.Request(self.base + path, headers={"Authorization": f"Bearer {self.token}"})
        try:
            with self._opener.open(request, timeout=REQUEST_SECONDS) as answer:
                body = answer.read()
        except (OSError, urllib.error.URLError):
            return None
        try:
            return json.loads(body)
        except ValueError:
            return None

    def ready(self, path="/readyz"):
        try:
            with self._opener.open(self.base + path, timeout=REQUEST_SECONDS) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def hosts(self, service):
        return (self.get(f"/api/v1/hosts?service={service}") or {}).get("hosts", [])

    def deploys(self, service):
        return (self.get(f"/api/v1/deploys?service={service}") or {}).get("deploys", [])

    def deploy_of(self, service, version):
        """The newest deploy of a version with all its details, or None."""
        found = [d for d in self.deploys(service) if d["version"] == version]
        if not found:
            return None
        newest = max(found, key=lambda d: d["opened"] or "")
        return self.get(f"/api/v1/deploys/{newest['id']}")

    def timeline(self, deploy_id):
        return (self.get(f"/api/v1/deploys/{deploy_id}/timeline") or {}).get("timeline", [])


def seconds_of(text):
    """An RFC 3339 time as seconds since 1970, None as None."""
    if text is None:
        return None
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
