import pytest

from services.shared.metrics import CLASS_LABELS, ITEM_STATE_LABELS, JOB_STATE_LABELS, LabelCap, timing


def test_the_first_values_of_a_label_keep_their_name_and_all_later_ones_share_one():
    cap = LabelCap(limit=2)
    assert [cap(value) for value in ("a", "b", "c", "a", "d")] == ["a", "b", "other", "a", "other"]


def test_fifty_values_are_told_apart_unless_said_otherwise():
    cap = LabelCap()
    assert len({cap(str(number)) for number in range(1_000_000)}) == 51


def test_known_values_never_become_other():
    cap = LabelCap(limit=1, known=["noop"])
    assert [cap("anything"), cap("noop")] == ["other", "noop"]


def test_labels_of_states_and_classes_are_those_of_json():
    assert set(CLASS_LABELS.values()) == {"UNSPECIFIED", "INTERACTIVE", "DEFAULT", "BULK"}
    assert "SUCCEEDED" in JOB_STATE_LABELS.values()
    assert "FAILED" in ITEM_STATE_LABELS.values()


def test_time_is_told_of_a_block_that_raises_too():
    seen = []
    with timing(seen.append):
        pass
    with pytest.raises(KeyError), timing(seen.append):
        raise KeyError
    assert len(seen) == 2
    assert all(0 <= seconds < 10 for seconds in seen)
