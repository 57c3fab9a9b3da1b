"""The order in which waiting items get a slot."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.worker.items.fair_queue import FairQueue

WEIGHTS = {"fast": 16, "usual": 4, "slow": 1}


def always(job_id):
    return True


def test_items_of_a_job_keep_their_order():
    queue = FairQueue(WEIGHTS)
    queue.push("usual", "t", "j", [1, 2, 3])
    assert [queue.pop(always) for _ in range(4)] == [1, 2, 3, None]


def test_tenants_take_turns_and_within_a_tenant_its_jobs():
    queue = FairQueue(WEIGHTS)
    queue.push("usual", "a", "a1", ["a1"] * 4)
    queue.push("usual", "a", "a2", ["a2"] * 4)
    queue.push("usual", "b", "b1", ["b1"] * 4)
    assert [queue.pop(always) for _ in range(8)] == ["a1", "b1", "a2", "b1", "a1", "b1", "a2", "b1"]


def test_classes_with_work_share_by_weight():
    queue = FairQueue(WEIGHTS)
    for job_class in WEIGHTS:
        queue.push(job_class, "t", job_class, [job_class] * 210)
    assert Counter(queue.pop(always) for _ in range(210)) == {"fast": 160, "usual": 40, "slow": 10}


def test_a_class_alone_gets_every_turn_and_has_no_claim_to_later_ones():
    queue = FairQueue(WEIGHTS)
    queue.push("slow", "t", "s", ["slow"] * 100)
    assert [queue.pop(always) for _ in range(50)] == ["slow"] * 50
    queue.push("fast", "t", "f", ["fast"] * 100)
    assert Counter(queue.pop(always) for _ in range(17))["fast"] >= 15


def test_a_job_that_is_not_ready_is_skipped_and_keeps_its_items():
    queue = FairQueue(WEIGHTS)
    queue.push("usual", "t", "cold", [1])
    queue.push("usual", "t", "warm", [2])
    assert queue.pop(lambda job_id: job_id == "warm") == 2
    assert queue.pop(lambda job_id: job_id == "warm") is None
    assert queue.pop(always) == 1


def test_discarding_removes_only_the_matching_items():
    queue = FairQueue(WEIGHTS)
    queue.push("usual", "t", "j", [1, 2, 3, 4])
    queue.discard("usual", "t", "j", lambda item: item % 2 == 0)
    queue.discard("usual", "t", "unknown", always)
    assert [queue.pop(always) for _ in range(3)] == [1, 3, None]


JOBS = st.tuples(st.sampled_from(sorted(WEIGHTS)), st.integers(0, 2), st.integers(0, 2))


@given(st.lists(JOBS, max_size=60))
def test_everything_pushed_comes_out_once(pushes):
    queue = FairQueue(WEIGHTS)
    for number, (job_class, tenant, job) in enumerate(pushes):
        queue.push(job_class, f"t{tenant}", f"{job_class}-{tenant}-{job}", [number])
    popped = []
    while (item := queue.pop(always)) is not None:
        popped.append(item)
    assert sorted(popped) == list(range(len(pushes)))


def test_a_class_that_was_not_ready_saves_up_no_turns():
    queue = FairQueue({"heavy": 16, "light": 1})
    queue.push("heavy", "t", "cooling", range(1000))
    queue.push("light", "t", "going", range(10_000))
    for _ in range(5_000):
        assert queue.pop(lambda job_id: job_id == "going") is not None
    turns = []
    for _ in range(170):
        queue.pop(lambda job_id: turns.append(job_id) is None)
    assert turns.count("going") == 10
