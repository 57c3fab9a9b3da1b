from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.results.rules.chunks import MAX_CHUNK_BYTES, chunk_size, cut_chunks
from services.results.rules.losses import Losses, Verdict, count_death, count_loss, cut_around


def test_a_chunk_is_a_sixteenth_of_the_job_and_never_over_100_items():
    assert [chunk_size(n) for n in (0, 1, 16, 17, 160, 1_600, 1_601, 100_000)] == [
        1,
        1,
        1,
        2,
        10,
        100,
        100,
        100,
    ]


@given(st.lists(st.integers(1, 600_000), max_size=300), st.integers(1, 100), st.sampled_from([0, 5_000]))
def test_chunks_cover_all_items_in_order_within_their_bounds(sizes, size, first_index):
    cuts = cut_chunks(sizes, size, first_index)
    place = first_index
    for cut in cuts:
        assert cut.first_index == place
        assert 1 <= cut.item_count <= size
        assert cut.input_bytes == sum(sizes[cut.first_index - first_index : cut.end_index - first_index])
        assert cut.input_bytes <= MAX_CHUNK_BYTES or cut.item_count == 1
        place = cut.end_index
    assert place == first_index + len(sizes)


def lose(losses, unfinished_count, times):
    for _ in range(times):
        losses, verdict = count_loss(losses, unfinished_count)
    return losses, verdict


def test_the_second_loss_quarantines():
    once, verdict = lose(Losses(0, False, 0), 5, 1)
    assert (once.quarantined, verdict) == (False, Verdict.AGAIN)
    twice, verdict = lose(once, 5, 1)
    assert (twice.quarantined, verdict) == (True, Verdict.AGAIN)


def test_in_quarantine_every_second_loss_halves():
    verdicts = [lose(Losses(2, True, 0), 5, times)[1] for times in (1, 2)]
    assert verdicts == [Verdict.AGAIN, Verdict.HALVE]
    assert lose(Losses(2, True, 0), 5, 2)[0] == Losses(4, True, 0)


def test_a_single_item_fails_at_the_third_loss_that_counts():
    verdicts = [lose(Losses(2, True, 0), 1, times)[1] for times in range(1, 7)]
    assert verdicts == [Verdict.AGAIN] * 5 + [Verdict.FAIL]


@given(st.integers(1, 100))
def test_any_chunk_is_down_to_a_failed_item_after_a_bounded_number_of_losses(unfinished_count):
    losses = Losses(0, False, 0)
    for number in range(1, 30):  # noqa: B007
        losses, verdict = count_loss(losses, unfinished_count)
        if verdict is Verdict.HALVE:
            unfinished_count = (unfinished_count + 1) // 2
        elif verdict is Verdict.FAIL:
            break
    assert verdict is Verdict.FAIL
    assert number <= 2 + 2 * 7 + 2 * 3


def test_a_death_with_several_suspects_halves_them():
    assert count_death(Losses(2, True, 1), 2) == (Losses(3, True, 0), Verdict.HALVE)


def test_a_single_suspect_fails_at_its_third_death():
    losses, verdicts = Losses(2, True, 0), []
    for _ in range(3):
        losses, verdict = count_death(losses, 1)
        verdicts.append(verdict)
    assert verdicts == [Verdict.AGAIN, Verdict.AGAIN, Verdict.FAIL]


def test_losses_with_the_worker_count_half_as_much_as_deaths():
    losses, _ = count_death(Losses(2, True, 0), 1)
    losses, _ = count_death(losses, 1)
    losses, verdict = count_loss(losses, 1)
    assert verdict is Verdict.AGAIN
    assert count_loss(losses, 1)[1] is Verdict.FAIL


def test_a_chunk_is_cut_between_its_suspects_and_after_them():
    unfinished = list(range(10, 20))
    assert cut_around(unfinished, unfinished) == [15]
    assert cut_around(unfinished, [11, 12, 14, 15]) == [14, 16]
    assert cut_around(unfinished, [10]) == [11]
    assert cut_around(unfinished, [13]) == [13, 14]
    assert cut_around(unfinished, [19]) == [19]
    assert cut_around([12, 17], [17]) == [17]
    assert cut_around([12], [12]) == []


@given(st.data())
def test_every_part_has_unfinished_items_and_at_most_half_of_the_suspects(data):
    unfinished = sorted(data.draw(st.sets(st.integers(0, 99), min_size=2)))
    suspects = sorted(data.draw(st.sets(st.sampled_from(unfinished), min_size=1)))
    cuts = [0, *cut_around(unfinished, suspects), 100]
    assert cuts == sorted(set(cuts))
    for first, end in pairwise(cuts):
        assert any(first <= index < end for index in unfinished)
        within = [index for index in suspects if first <= index < end]
        assert len(within) <= (len(suspects) + 1) // 2
