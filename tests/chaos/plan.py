"""Sequences of faults: each one alone, or a mix from a seed."""

import random
from collections.abc import Callable, Sequence

from tests.chaos.faults import Fault, crash_postgres, cut, freeze, kill, lose_queues, lose_redis

TAKEOVER_SECONDS = 10.0  # within this time, others work on the items of a killed worker
# Two links of each kind.
_LINKS = (
    ("client-gateway-1", "client-gateway-2"),
    ("gateway-1-results", "gateway-2-results"),
    ("worker-1-results", "worker-2-results"),
    ("gateways-worker-1", "gateways-worker-2"),
)
_CUT_SECONDS = 10


def each_alone(rng: random.Random) -> list[Fault]:
    """Returns every fault of the long form, with the longest last.

    Of each kind of link, one is cut in one direction and the other in both. The seed selects them.
    """
    cuts = []
    for kind in _LINKS:
        one, other = rng.sample(kind, 2)
        there = rng.random() < 0.5
        cuts += [cut(one, _CUT_SECONDS, there=there, back=not there), cut(other, _CUT_SECONDS)]
    return [
        kill("worker-1", TAKEOVER_SECONDS),
        kill("worker-2", TAKEOVER_SECONDS),
        kill("gateway-1"),
        kill("gateway-2"),
        kill("results"),
        freeze("worker-1", 5),
        freeze("gateway-1", 5),
        freeze("gateway-2", 5),
        freeze("results", 5),
        lose_queues(),
        lose_redis(),
        crash_postgres(),
        *cuts,
        freeze("worker-2", 20),
        freeze("worker-1", 60),
        cut("worker-2-results", 60),
        kill("results", 60),
        crash_postgres(60),
    ]


def random_mix(rng: random.Random, seconds: float) -> list[list[Fault]]:
    """Returns two sequences of faults to run in parallel, each of about this duration.

    One has faults of processes and links, the other those of servers and the store. So a service is never
    started while something that it needs for its start stays away.
    """
    return [_draw(rng, _of_processes, seconds), _draw(rng, _of_servers, seconds)]


def short_mix(rng: random.Random) -> list[list[Fault]]:
    """Returns the faults of the short form, in an order from the seed."""
    processes = [
        kill(f"worker-{rng.randint(1, 2)}", 8),
        freeze(f"gateway-{rng.randint(1, 2)}", 2),
        cut(rng.choice(_LINKS[2] + _LINKS[3]), 4, there=False),
        cut(rng.choice(_LINKS[0] + _LINKS[1]), 3),
    ]
    servers = [kill("results"), crash_postgres(0.5), lose_redis(), lose_queues()]
    rng.shuffle(processes)
    rng.shuffle(servers)
    return [processes, servers]


def _draw(rng: random.Random, draw_one: Callable[[random.Random], Fault], seconds: float) -> list[Fault]:
    faults: list[Fault] = []
    while sum(fault.hold_seconds + 3 for fault in faults) < seconds:
        faults.append(draw_one(rng))
    return faults


def _of_processes(rng: random.Random) -> Fault:
    number = rng.randint(1, 2)
    directions: Sequence[tuple[bool, bool]] = ((True, True), (True, False), (False, True))
    there, back = rng.choice(directions)
    return rng.choice(
        [
            kill(f"worker-{number}", rng.choice((1.0, TAKEOVER_SECONDS))),
            kill(f"gateway-{number}"),
            freeze(f"worker-{number}", rng.uniform(1, 15)),
            freeze(f"gateway-{number}", rng.uniform(1, 15)),
            cut(rng.choice(rng.choice(_LINKS)), rng.uniform(1, 10), there=there, back=back),
        ]
    )


def _of_servers(rng: random.Random) -> Fault:
    return rng.choice(
        [
            kill("results", rng.uniform(0, 5)),
            freeze("results", rng.uniform(1, 8)),
            crash_postgres(rng.uniform(0, 5)),
            lose_queues(),
            lose_redis(),
        ]
    )
