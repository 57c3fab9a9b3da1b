from hypothesis import given
from hypothesis import strategies as st

from services.results.rules.fairness import Candidate, ChunkSize, LeaseLimits, Share, choose

MB = 1024 * 1024


def candidate(job_id, tenant="t", virtual_time=0, sizes=(1,)):
    return Candidate(job_id, tenant, virtual_time, [ChunkSize(size) for size in sizes])


def shares_of(candidates, **times):
    return {c.tenant: Share(times.get(c.tenant, 0), 0) for c in candidates}


def up_to(items, input_bytes=8 * MB, chunks=1_000):
    return LeaseLimits(items, input_bytes, chunks)


def count_left(candidates, choice):
    return sum(len(c.chunks) for c in candidates) - sum(choice.counts.values())


candidate_lists = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.integers(0, 300), st.lists(st.integers(1, 100), min_size=1, max_size=5)
    ),
    max_size=12,
).map(lambda rows: [candidate(f"{n:03}", t, v, sizes) for n, (t, v, sizes) in enumerate(rows)])


@given(candidate_lists, st.integers(0, 500), st.dictionaries(st.sampled_from("abc"), st.integers(0, 500)))
def test_a_choice_fits_the_capacity_and_stops_only_for_lack_of_it(candidates, capacity, times):
    choice = choose(up_to(capacity), 0, shares_of(candidates, **times), candidates)
    taken = sum(chunk.items for c in candidates for chunk in c.chunks[: choice.counts.get(c.job_id, 0)])
    assert taken <= max(capacity, 100 if capacity >= 100 else 0)
    assert (choice.needed_capacity > 0) == (count_left(candidates, choice) > 0)
    if capacity >= 100 and candidates:
        assert choice.counts
    assert sum(taken for _, taken in choice.shares.values()) == taken


@given(candidate_lists, st.integers(1, 500))
def test_with_the_next_one_nothing_of_the_choice_is_missing(candidates, capacity):
    shares = shares_of(candidates)
    exact = choose(up_to(capacity), 0, shares, candidates)
    likely = choose(up_to(capacity), 0, shares, candidates, include_next=True)
    extra = sum(likely.counts.values()) - sum(exact.counts.values())
    assert extra in (0, 1)
    assert all(likely.counts[job_id] >= count for job_id, count in exact.counts.items())


@given(st.integers(2, 6), st.integers(1, 100), st.integers(0, 1000))
def test_tenants_with_work_are_never_further_apart_than_a_chunk(tenant_count, size, clock):
    tenants = [f"t{n}" for n in range(tenant_count)]
    candidates = [candidate(t, t, 0, [size] * 60) for t in tenants]
    shares = {t: Share(clock, 0) for t in tenants}
    choice = choose(up_to(size * 40), clock, shares, candidates)
    counts = [choice.counts.get(t, 0) for t in tenants]
    assert max(counts) - min(counts) <= 1


def test_a_newcomer_is_served_first_and_saves_up_no_turns():
    busy = candidate("busy", "busy", 0, [10] * 9)
    new = candidate("new", "new", 0, [10] * 9)
    shares = {"busy": Share(1_000, 0), "new": Share(0, 0)}
    choice = choose(up_to(60), 990, shares, [busy, new])
    assert choice.counts == {"new": 3, "busy": 3}
    assert choice.shares["new"] == (990, 30)
    assert choice.class_clock == 1_020


def test_a_new_small_job_goes_before_the_rest_of_a_large_one():
    large = candidate("large", "t", 5_000, [100] * 10)
    small = candidate("small", "t", 0, [1])
    choice = choose(up_to(150), 0, {"t": Share(0, 4_900)}, [large, small])
    assert choice.counts == {"small": 1, "large": 1}
    assert choice.job_times == {"small": 4_901, "large": 5_100}


def test_jobs_with_equal_virtual_times_are_ordered_by_age():
    candidates = [candidate("2"), candidate("1"), candidate("3")]
    choice = choose(up_to(2), 0, shares_of(candidates), candidates)
    assert set(choice.counts) == {"1", "2"}


def test_small_jobs_of_a_tenant_are_taken_one_after_the_other_not_a_chunk_of_each():
    small = [candidate(name, sizes=[1] * 10) for name in ("a", "b", "c")]
    choice = choose(up_to(15, input_bytes=10**9), 0, shares_of(small), small)
    assert choice.counts == {"a": 10, "b": 5}
    assert choice.job_clocks == {"t": 0}  # The next job starts at the virtual time of these.


def test_a_larger_job_takes_chunks_of_sixteen_items_or_more_in_a_turn():
    jobs = [candidate(name, sizes=[5] * 16) for name in ("a", "b")]
    choice = choose(up_to(50, input_bytes=10**9), 0, shares_of(jobs), jobs)
    assert choice.counts == {"a": 6, "b": 4}
    assert choice.job_times == {"a": 30, "b": 20}


def test_tenants_take_turns_chunk_by_chunk_though_their_jobs_do_not():
    jobs = [candidate(f"{tenant}{n}", tenant, sizes=[1] * 10) for tenant in "xy" for n in range(2)]
    assert choose(up_to(20, input_bytes=10**9), 0, shares_of(jobs), jobs).counts == {"x0": 10, "y0": 10}


def test_bytes_bound_a_choice_but_for_its_first_chunk():
    big = Candidate("1", "t", 0, [ChunkSize(1, 9 * MB), ChunkSize(1, 1)])
    choice = choose(up_to(100), 0, shares_of([big]), [big])
    assert choice.counts == {"1": 1}


def test_a_choice_ends_at_its_limit_of_chunks_which_tenants_share_in_turn():
    candidates = [
        Candidate("large", "a", 0, [ChunkSize(1)] * 500),
        Candidate("small", "b", 0, [ChunkSize(1)] * 3),
    ]
    choice = choose(up_to(1_000, chunks=20), 0, shares_of(candidates), candidates)
    assert choice.counts == {"large": 17, "small": 3}


def test_small_chunks_of_others_go_before_a_large_one_that_does_not_fit():
    large, small = candidate("large", "a", 0, [100] * 3), candidate("small", "b", 0, [1] * 30)
    choice = choose(up_to(20), 500, {"a": Share(500, 0), "b": Share(500, 0)}, [large, small])
    assert choice.counts == {"small": 20}
    assert choice.class_clock == 500  # The large one keeps its place.
    assert choice.needed_capacity == 1


def test_a_large_chunk_that_does_not_fit_is_passed_over_for_no_more_than_its_like():
    large, small = candidate("large", "a", 0, [100] * 3), candidate("small", "b", 0, [1] * 30)
    choice = choose(up_to(20), 500, {"a": Share(500, 0), "b": Share(590, 0)}, [large, small])
    assert choice.counts == {"small": 10}
    assert choice.needed_capacity == 100
