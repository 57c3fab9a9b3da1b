from hypothesis import given
from hypothesis import strategies as st

from services.results.rules.chunks import MAX_CHUNK_BYTES, chunk_size, cut_chunks
from services.results.rules.losses import Losses, Verdict, count_loss


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
