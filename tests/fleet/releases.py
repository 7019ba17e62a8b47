"""Every way in which staging lies, as a release: what is expected of it, and what has to be staged around it."""

import dataclasses

# What a finding is called, by what is wrong with a release.
LATENCY = ("latency_",)
ERRORS = ("errors", "slo")
SOCKETS = ("connections", "failed_connects", "accept_overflows")
ENDS = ("restarts", "crash_loop", "unit_failed", "process_gone", "errors")


@dataclasses.dataclass(frozen=True)
class Release:
    name: str
    expected: str          # caught, passed, not_blamed, reported, drift
    metrics: tuple = ()    # beginnings of the metrics that LIES names
    outright: bool = False  # users get errors, or nothing, from the first request on
    behaviour: str = ""    # the shop's; default: the name
    stage: str = ""        # what happens around it: degraded_partner, cron, slow_database, drifted_host
    host_metrics: tuple = ()  # the same, where nobody counts requests: what processes and sockets show

    @property
    def shop_behaviour(self):
        return self.behaviour or self.name


RELEASES = (
    Release("good-2", "passed"),
    Release("slow-query", "caught", LATENCY + ("cpu_per_request",)),
    Release("unicode", "caught", ERRORS, outright=True),
    Release("null-field", "caught", ERRORS, outright=True),
    Release("pool", "caught", LATENCY + ERRORS + ("threads", "fds", "not_serving") + SOCKETS,
            host_metrics=("threads", "fds") + SOCKETS),
    Release("stampede", "caught", LATENCY + ("cpu_per_request",)),
    Release("lock", "caught", LATENCY + ("threads",) + SOCKETS, host_metrics=("threads", "fds") + SOCKETS),
    Release("double-charge", "caught", ("charged_again",)),
    Release("rate-limit", "caught", ERRORS + SOCKETS),
    Release("slow-webhook", "caught", LATENCY + ("threads", "fds") + SOCKETS),
    Release("error-format", "caught", ERRORS, stage="degraded_partner"),
    Release("leak", "caught", ("rss_bytes",), host_metrics=("rss_bytes",)),
    Release("fd-leak", "caught", ("fds",) + SOCKETS, host_metrics=("fds",) + SOCKETS),
    Release("crash", "caught", ENDS),
    Release("crash-loop", "caught", ENDS, outright=True),
    Release("cpu", "caught", ("cpu_per_request",)),
    Release("half-feature", "caught", ("orders",)),
    Release("silent", "caught", ("orders", "full_answers")),
    Release("cron-clash", "not_blamed", behaviour="good-2", stage="cron"),
    Release("fleet-incident", "reported", behaviour="good-2", stage="slow_database"),
    Release("drifted-host", "drift", behaviour="good-2", stage="drifted_host"),
)
BY_NAME = {release.name: release for release in RELEASES}
