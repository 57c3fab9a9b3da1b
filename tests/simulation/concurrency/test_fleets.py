"""Workers that share the limit on their calls against one hard cap: the worst of 8 seeds counts.

Time is virtual. All of it takes about 6 s of one core.
"""

import pytest

from tests.simulation.concurrency.fleets import FLEETS, Ran
from tests.simulation.concurrency.providers import Outcome
from tests.simulation.concurrency.scenarios import SEEDS


def run_all(name: str) -> list[Ran]:
    return [FLEETS[name].run(seed) for seed in SEEDS]


def test_four_workers_use_one_cap_evenly_and_rarely_exceed_it():
    for ran in run_all("4 workers"):
        assert ran.share(30, 130) >= 0.93
        assert ran.rejected(30, 130) <= 0.08  # 12 to 14 % if each is alone
        assert ran.fairness(30, 130) >= 0.98  # 0.6 if each is alone


def test_a_worker_that_joins_three_warm_ones_soon_has_its_part():
    for ran in run_all("a worker joins three at 60 s"):
        answers = [client.count(Outcome.ANSWERED, 65, 75) for client in ran.clients]
        assert answers[3] >= 0.7 * sum(answers) / 4
        assert ran.fairness(65, 120) >= 0.98
        assert ran.share(60, 120) >= 0.9
        assert ran.rejected(60, 120) <= 0.09


@pytest.mark.parametrize("how", ["leaves", "crashes"])
def test_the_others_get_the_part_of_a_worker_that_ends(how):
    for ran in run_all(f"one of four {how} at 60 s"):
        assert ran.share(70, 110) >= 0.85
        assert ran.rejected(70, 110) <= 0.09
        assert ran.fairness(70, 110) >= 0.97


def test_a_worker_with_little_to_do_leaves_the_shared_limit_as_it_is():
    for ran in run_all("one of four has 5 items each 10 s"):
        small, busy = ran.clients[3], ran.clients[:3]
        assert ran.share(50, 120) >= 0.9
        assert ran.rejected(50, 120) <= 0.13
        assert ran.fairness(50, 120) >= 0.97
        assert small.count(Outcome.ANSWERED, 0, 120) == 5 + 8 * 5
        assert sum(client.limit.limit for client in busy) >= 85


def test_without_redis_everyone_continues_with_their_part_and_shares_again_later():
    for ran in run_all("Redis is away from 60 s to 100 s"):
        assert ran.share(62, 100) >= 0.8
        assert ran.rejected(62, 100) <= 0.13
        assert ran.share(102, 150) >= 0.85
        assert ran.rejected(102, 150) <= 0.1
        assert ran.fairness(110, 150) >= 0.97


def test_a_redis_that_forgets_everything_makes_no_difference():
    for ran in run_all("Redis is flushed at 60 s"):
        assert ran.share(60, 110) >= 0.9
        assert ran.rejected(60, 110) <= 0.09
        assert ran.fairness(60, 110) >= 0.97


@pytest.mark.parametrize(
    ("name", "rejected_count"),
    [("300 of yesterday, 20 today", 300), ("300 of yesterday, 20 today, 4 workers", 600)],
)
def test_a_far_too_high_limit_of_yesterday_costs_one_cut(name, rejected_count):
    for ran in run_all(name):
        assert sum(client.count(Outcome.REJECTED, 0, 5) for client in ran.clients) <= rejected_count
        assert ran.share(10, 80) >= 0.85
        assert ran.rejected(30, 80) <= 0.1
