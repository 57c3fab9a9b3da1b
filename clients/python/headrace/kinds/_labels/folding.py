"""Folds text for comparison, from the strictest fold to the loosest."""

import re
import unicodedata
from collections.abc import Iterable

_WHITE_SPACE = " \t\r\n\f\v\u00a0"
_SINGLE_QUOTES = "`\u00b4\u02b9\u02bb\u02bc\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a\uff07\uff40"
_DOUBLE_QUOTES = (
    "\u00ab\u00bb\u201c\u201d\u201e\u201f\u2033\u2036\u300c\u300d\u300e\u300f\u301d\u301e\u301f\uff02"
)
# Quotes that make no difference between two labels of a job.
_EDGES = _WHITE_SPACE + "\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb\u201e"
_END_MARKS = ".,;:!\u3002"
# The hyphen comes first, so that a character class can begin with them.
DASHES = (
    "-\u058a\u05be\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2053\u2212"
    "\u2e3a\u2e3b\ufe31\ufe32\ufe58\ufe63\uff0d"
)
# Characters without a shape: controls, soft hyphens, joiners, directions, variation selectors, tags.
_INVISIBLE = (
    (0x00, 0x08), (0x0E, 0x1B), (0x7F, 0x84), (0x86, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C),
    (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E),
    (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF9, 0xFFFB), (0xE0000, 0xE007F), (0xE0100, 0xE01EF),
)  # fmt: skip
_TYPOGRAPHY: dict[int, str | None] = {
    **{code: None for first, last in _INVISIBLE for code in range(first, last + 1)},
    **dict.fromkeys(map(ord, _SINGLE_QUOTES), "'"),
    **dict.fromkeys(map(ord, _DOUBLE_QUOTES), '"'),
    **dict.fromkeys(map(ord, DASHES), "-"),
    0x2044: "/",
    0x2215: "/",
    0x29F8: "/",
}
_ACCENTS: dict[int, str | None] = {
    **dict.fromkeys(range(0x300, 0x370)),
    **{ord(letter): plain for letter, plain in zip("ıłøđæœ", ("i", "l", "o", "d", "ae", "oe"), strict=True)},
}
_SEPARATORS = re.compile(r"(?<=[^\W_])[\s\-_]+(?=[^\W_])")
_LONGEST_WORD = 1000


def fold_case(text: str) -> str:
    """Returns a text in lower case, without surrounding white space, quotes and dots."""
    return text.lstrip(_EDGES).rstrip(_EDGES + ".").casefold()


def _fold_characters(text: str) -> str:
    text = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHY)).casefold()
    return unicodedata.normalize("NFKC", text).translate(_TYPOGRAPHY)


def _fold_typography(text: str) -> str:
    """Returns a text with one form of each quote, dash, space, ligature and width."""
    text = " ".join(_fold_characters(text).split())
    return text.strip("\"' ").rstrip("\"' " + _END_MARKS) or text


def _fold_separators(text: str) -> str:
    """Returns a text with one form of ``&``, slashes, hyphens and underscores between words."""
    text = re.sub(r"\s*&\s*", " and ", text.replace("&amp;", "&")).strip()
    return _SEPARATORS.sub(" ", re.sub(r"\s*/\s*", "/", text)) or text


def _fold_accents(text: str) -> str:
    plain = unicodedata.normalize("NFD", text).translate(_ACCENTS)
    return unicodedata.normalize("NFC", plain) or text


FOLDS = (fold_case, _fold_typography, _fold_separators, _fold_accents)


def fold_words(text: str) -> str:
    """Returns a text by the loosest folds of its characters, in linear time.

    Unicode sorts a run of combining marks in quadratic time, so a word of more than 1,000 characters is
    folded in parts.
    """
    if text.isascii():
        return text.translate(_TYPOGRAPHY).casefold().replace("&amp;", "&")
    folded = " ".join(_fold_accents(_fold_characters(part)) for part in _parts(text))
    return folded.replace("&amp;", "&")


def _parts(text: str) -> Iterable[str]:
    for word in text.split():
        for start in range(0, len(word), _LONGEST_WORD):
            yield word[start : start + _LONGEST_WORD]
