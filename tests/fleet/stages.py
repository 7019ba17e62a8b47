"""What happens around some of the releases, on all hosts alike: a bad day of the partner's, a job each minute, a slow database."""

import time

from trial import NoStage

INCIDENT_AFTER, INCIDENT_SECONDS, INCIDENT_TIMES = 30, 45, 8
DEGRADED_SHARE = 0.15

JOB = """\
[Unit]
Description=A job of each minute
[Service]
Type=oneshot
ExecStart=timeout 2 sh -c 'while :; do sha256sum /srv/data/shop.db; done'
StandardOutput=null
SuccessExitStatus=124
"""
TIMER = "[Timer]\nOnCalendar=minutely\nAccuracySec=100ms\n"


class DegradedPartner(NoStage):
    def __init__(self, fleet):
        self.fleet = fleet

    def begin(self, host):
        self.fleet.edge.degrade_partner(DEGRADED_SHARE)

    def end(self, host):
        self.fleet.edge.degrade_partner(0)


class Cron(NoStage):
    def __init__(self, fleet):
        self.fleet = fleet

    def begin(self, host):
        for each in self.fleet.hosts:
            each.write("/etc/systemd/system/job.service", JOB)
            each.write("/etc/systemd/system/job.timer", TIMER)
            each.shell("systemctl daemon-reload; systemctl start job.timer")

    def end(self, host):
        for each in self.fleet.hosts:
            each.shell("systemctl stop job.timer job.service; rm /etc/systemd/system/job.*; systemctl daemon-reload")


class SlowDatabase(NoStage):
    """Some time into the watch, and for a while, the database is slow for everyone."""

    def __init__(self, fleet):
        self.fleet = fleet

    def begin(self, host):
        self.begins = time.monotonic() + INCIDENT_AFTER

    def tend(self):
        age = time.monotonic() - self.begins
        self.fleet.edge.slow_database(self.fleet.shared.data,
                                      INCIDENT_TIMES if 0 <= age < INCIDENT_SECONDS else 1)

    def end(self, host):
        self.fleet.edge.slow_database(self.fleet.shared.data, 1)


class DriftedHost(NoStage):
    """The host has another limit than all others: somebody once tried something there."""

    def begin(self, host):
        host.write("/etc/systemd/system/shop.service.d/limit.conf", "[Service]\nLimitNOFILE=256\n")
        host.run("systemctl", "daemon-reload")

    def end(self, host):
        host.shell("rm -r /etc/systemd/system/shop.service.d; systemctl daemon-reload")


def stage_of(release, fleet):
    if release.stage == "degraded_partner":
        return DegradedPartner(fleet)
    if release.stage == "cron":
        return Cron(fleet)
    if release.stage == "slow_database":
        return SlowDatabase(fleet)
    if release.stage == "drifted_host":
        return DriftedHost()
    return NoStage()
