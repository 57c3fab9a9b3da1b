"""The rules: first words and phrases that prose must not hold.

To add a rule, add a word to ``FIRST_WORDS`` or a line to ``PHRASES``.
"""

import re
from dataclasses import dataclass

from deploy.prose.blocks import ANY, OPENINGS, STATEMENTS, Kind

# A docstring, a comment of a proto or a heading that opens with one of these is a clause, not a sentence.
# `Gives` is refused everywhere, by a rule of its own below.
FIRST_WORDS = ("What", "How", "Where", "Who", "That")

# Each phrase and the words to write instead. A space matches a line break too, `...` the rest of a sentence.
PHRASES = {
    "so many": "the name of the number",
    "so long": "as long as, or the name of the duration",
    "of which": "two sentences",
    "it has all the time": "the deadline, or that there is none",
    "is told": "receives",
    "tells of": "reports",
    "what is left": "the rest, the remainder",
    "lets go of": "releases",
    "takes in": "accepts",
    "takes note": "records",
    "leave alone": "keep unchanged",
    "left alone": "unchanged",
    "goes on": "continues",
    "by itself": "automatically, on its own",
    "has to": "must",
    "nothing to say": "what is absent",
    "beside": "next to, alongside",
    "until then": "the event by its name",
    "so that ... may": "so that ... can",
}

# Nouns that were written after "is no" for "is not a". A general rule would refuse "there is no limit".
_NOT_A = (
    "JSON|UUID|number|integer|text|git repository|commit|secret|HTTP URL|exception|promise|thread|stand-in"
)


@dataclass(frozen=True)
class Rule:
    """One reason to refuse a block of prose.

    Attributes:
        name: Name of the rule in counts.
        advice: Replacement, shown next to a finding.
        pattern: Pattern that must not be found.
        kinds: Kinds of block that the rule reads.
    """

    name: str
    advice: str
    pattern: re.Pattern[str]
    kinds: frozenset[Kind] = ANY


def _first_word(word: str, kinds: frozenset[Kind]) -> Rule:
    # "How to ..." is a plain title for instructions.
    pattern = re.compile(rf"\A\W*{word}\b(?! to\b)")
    return Rule(f"first word {word}", "say what it is or does", pattern, kinds)


def _phrase(words: str, advice: str) -> Rule:
    pattern = re.escape(words).replace(r"\ \.\.\.\ ", r"\b[^.;]*?\b").replace(r"\ ", r"\s+")
    return Rule(words, f"write: {advice}", re.compile(rf"\b{pattern}\b", re.IGNORECASE))


RULES = (
    *(_first_word(word, OPENINGS) for word in FIRST_WORDS),
    _first_word("Whether", STATEMENTS),
    *(_phrase(words, advice) for words, advice in PHRASES.items()),
    Rule("Gives", "write: Returns", re.compile(r"\bGives\b")),
    Rule("Missed:", "write a sentence", re.compile(r"\bMissed:")),
    Rule(
        "at most, postfix",
        "write: at most N things",
        re.compile(r"\bat\s+most(?=\s*(?:[.,;:)]|\Z))", re.IGNORECASE),
    ),
    Rule(
        "is no X",
        "write: is not a",
        re.compile(rf"(?<!there\s)\b(?:is|are)\s+no\s+(?:{_NOT_A})s?\b", re.IGNORECASE),
    ),
)
