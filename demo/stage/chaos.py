"""Kills: which program, at which moment of the story."""

import dataclasses

RESTART_SECONDS = 2.0  # a killed program comes back after this


@dataclasses.dataclass
class Kill:
    component: str     # aggregator, nats, agent:HOST, helper:HOST
    after: str         # the moment that `seconds` counts from: traffic, bad or good
    seconds: float
    done: bool = False

    def words(self):
        return f"kill -9 {self.component}"


def parse_kill(text, hosts):
    """`component@seconds` counts from the beginning of the traffic, `component@bad+2` and `component@good+2`
    from a deploy. `agent` and `helper` without a host mean those of `hosts[moment]`."""
    component, at, moment = text.partition("@")
    if not at:
        raise ValueError(f"'{text}': expected COMPONENT@SECONDS, for example aggregator@bad+1.5")
    after, plus, seconds = moment.rpartition("+")
    if not plus:
        after = "traffic"
    if after not in hosts:
        raise ValueError(f"'{after}' is not one of {', '.join(hosts)}")
    name, colon, host = component.partition(":")
    if name in ("agent", "helper"):
        component = f"{name}:{host if colon else hosts[after]}"
    elif name not in ("aggregator", "nats") or colon:
        raise ValueError(f"'{component}' is not one of aggregator, nats, agent[:HOST], helper[:HOST]")
    try:
        return Kill(component, after, float(seconds))
    except ValueError:
        raise ValueError(f"'{seconds}' is not a number of seconds") from None


class Chaos:
    def __init__(self, kills, crew, say):
        self.kills = kills
        self.crew = crew
        self.say = say
        self.moments = {}  # name -> monotonic time at which it came

    def tend(self, now):
        for kill in self.kills:
            begun = self.moments.get(kill.after)
            if kill.done or begun is None or now < begun + kill.seconds:
                continue
            kill.done = True
            self.say(kill.words())
            self.crew.kill(kill.component, RESTART_SECONDS)
