"""Any label is found in any wrapper, never one of two, and in time linear in the length of the answer."""

import re
import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headrace.kinds.labels import LabelFinder, check_labels

LABELS = ["Sales", "IT & Security", "Legal", "Inc.", "Straße"]
FINDER = LabelFinder(LABELS)
LARGE = 100_000  # characters

# Each aims at one step that a careless pattern makes quadratic. A quadratic step outlasts the time-out.
LARGE_WITHOUT_LABEL = [
    "a" * LARGE, "Sales " * (LARGE // 6),
    "<think>" * (LARGE // 7), "[" * LARGE,
    "(" * LARGE, "*" * LARGE, '{"a":' * (LARGE // 5),
    " \n- > " * (LARGE // 6), "\\boxed{" * (LARGE // 7), "`" * LARGE, "\\boxed{a}" * (LARGE // 9),
    "Final answer: " * (LARGE // 14), "\nFinal answer:" * (LARGE // 14), "```\n" * (LARGE // 4),
    "<answer>" * (LARGE // 8), "<label>x</label>" * (LARGE // 16), "Label: x\n" * (LARGE // 9),
    "\u0301\u0327" * (LARGE // 2), "a" + "\u0301\u0327" * (LARGE // 2), "{a: " + " " * LARGE + "x}",
    "&" * LARGE, "a-" * (LARGE // 2), "\ufdfa" * LARGE, "ß" * LARGE, "\u200b" * LARGE, "😀" * LARGE,
    '{"label": "' + "x" * LARGE + '"}', '{"label": ' + "9" * LARGE + "}", "the " * (LARGE // 4),
    "<|" * (LARGE // 2), "a\n" * (LARGE // 2), "so " * (LARGE // 3), "sales legal " * (LARGE // 12),
]  # fmt: skip


LARGE_WITH_LABEL = [
    "Sales (" + "because " * (LARGE // 8) + ")", "Sales\n" + "because " * (LARGE // 8),
    "\n" * LARGE + "Sales",
    "<think>" + "Legal " * (LARGE // 6) + "</think>Sales", "Sales" + " " * LARGE,
]  # fmt: skip


@pytest.mark.parametrize("answer", LARGE_WITHOUT_LABEL, ids=lambda answer: ascii(answer[:12]))
def test_no_label_is_found_in_a_large_answer(answer):
    assert FINDER.find(answer) is None


@pytest.mark.parametrize("answer", LARGE_WITH_LABEL, ids=lambda answer: ascii(answer[:12]))
def test_the_label_is_found_in_a_large_answer(answer):
    assert FINDER.find(answer) == "Sales"


def test_a_long_label_that_repeats_a_word_does_not_slow_the_search():
    finder = LabelFinder(["a " * 249 + "b", "a " * 249 + "c"])
    assert finder.find("x\n" + "a " * (LARGE // 2)) is None


LETTERS = st.characters(categories=["Lu", "Ll", "Lo", "Nd"])
WORDS = st.text(LETTERS, min_size=1, max_size=6)
LABEL = st.builds(
    lambda first, rest: first + "".join(separator + word for separator, word in rest),
    WORDS,
    st.lists(st.tuples(st.sampled_from([" ", "-", "_", " & ", "/", " and ", "'", ", "]), WORDS), max_size=3),
)
WRAPPERS = [
    "{}", " {}\n", '"{}"', "'{}'", "\u201c{}\u201d", "**{}**", "*{}*", "__{}__", "`{}`", "{}.", "{}!",
    "**{}**.", "[{}]", "({})", "Label: {}", "Category - {}", "Answer: {}", "The label is {}", "**Label:** {}",
    "The correct label is **{}**.", '{{"label": "{}"}}', '["{}"]', '```json\n{{"label": "{}"}}\n```',
    "```\n{}\n```", "<label>{}</label>", "1. {}", "- {}", "{} (because of it)", "{}\nBecause of it.",
    "<think>well</think>\n{}", "<reasoning>well</reasoning>{}", "Well.\n\nFinal answer: {}", "\\boxed{{{}}}",
    "<answer>{}</answer>", "{}<|im_end|>", "### {}",
]  # fmt: skip
WRAPPER_WORDS = set(re.findall(r"\w+", " ".join(WRAPPERS).casefold()))


def loosest(text: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(re.findall(r"\w+", plain.replace("&", " and ").replace("_", " ")))


@st.composite
def label_lists(draw):
    labels = draw(st.lists(LABEL, min_size=2, max_size=6, unique_by=loosest))
    folds = [loosest(label) for label in labels]
    # Words of wrappers are not labels here: such an answer mentions two.
    assume(not any(set(fold.split()) & WRAPPER_WORDS - {"and"} for fold in folds))
    try:
        check_labels(labels)
    except ValueError:
        assume(False)
    return labels


@settings(deadline=None)  # the machine may be busy
@given(label_lists(), st.data())
def test_any_label_is_found_in_any_wrapper(labels, data):
    label, wrapper = data.draw(st.sampled_from(labels)), data.draw(st.sampled_from(WRAPPERS))
    assert LabelFinder(labels).find(wrapper.format(label)) == label


@settings(deadline=None)  # the machine may be busy
@given(label_lists(), st.data())
def test_a_text_with_two_labels_never_chooses_one(labels, data):
    first, second = data.draw(st.permutations(labels))[:2]
    words = [set(loosest(label).split()) for label in (first, second)]
    assume(not words[0] & words[1])
    separator = data.draw(
        st.sampled_from(["\n", "\n\n", ", ", " or ", "; ", ". ", " (", "**, **", '", "', "</label><label>"])
    )
    text = data.draw(st.sampled_from(WRAPPERS)).format(first + separator + second)
    assert LabelFinder(labels).find(text) not in (first, second)


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text):
    assert FINDER.find(text) in (None, *LABELS)
