"""What is counted, and how often it is done: the difference of two runs is free of start and warm-up."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import client
import tools

REQUEST = (tools.instructions, tools.system_calls)


@dataclass(frozen=True)
class Scenario:
    run: Callable
    counted_by: tuple
    words: frozenset = frozenset()
    few: int = 200
    more: int = 2200

    def is_of_memory(self):
        return tools.memory in self.counted_by

    def figures(self, world):
        """What doing it once costs."""
        figures = {}
        for count in self.counted_by:
            fewer, more = count(world, self, self.few), count(world, self, self.more)
            figures |= {name: (more[name] - fewer[name]) / (self.more - self.few) for name in more}
        return figures


def with_policy(word, *headers):
    """A warm request with one more policy in its way."""
    return Scenario(partial(client.requests, headers=headers), (tools.instructions,), frozenset([word]))


TOKEN = "authorization: Bearer @JWT@"
TEAM = "x-team: billing"

SCENARIOS = {
    "warm request": Scenario(client.requests, (*REQUEST, tools.copied)),
    "warm request, rate limit": with_policy("limit"),
    "warm request, 20 egress rules": with_policy("rules"),
    # The one route among many, which take long to be loaded under valgrind; and every policy that asks no service.
    "warm request, 1,000 routes": with_policy("routes"),
    "warm request, every policy": with_policy("policies"),
    # With and without the policy, because its header costs something too.
    "warm request, x-team": Scenario(partial(client.requests, headers=(TEAM,)), (tools.instructions,)),
    "warm request, x-team, CEL": with_policy("cel", TEAM),
    "warm request, token": Scenario(partial(client.requests, headers=(TOKEN,)), (tools.instructions,)),
    "warm request, token, JWT": with_policy("jwt", TOKEN),
    "warm request, log": with_policy("log"),
    "warm request, JSON log in a file, 1 % traces": with_policy("telemetry"),
    "HTTP/2 request": Scenario(client.http2_requests, (*REQUEST, tools.copied)),
    "client connection with a request": Scenario(client.connections, REQUEST),
    "never-seen host": Scenario(client.hosts, REQUEST, few=100, more=600),
    "idle client": Scenario(client.idle_clients, (tools.memory,), few=1000, more=6000),
    "idle TLS client": Scenario(client.idle_tls_clients, (tools.memory,), frozenset(["tls"]), few=1000, more=6000),
    "idle host and its connection": Scenario(client.hosts, (tools.memory,), few=1000, more=6000),
    "idle tunnel": Scenario(client.idle_tunnels, (tools.memory,), few=1000, more=6000),
}
