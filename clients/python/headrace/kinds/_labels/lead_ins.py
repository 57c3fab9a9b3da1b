"""Words that models write before a label."""

import re

from headrace.kinds._labels.folding import DASHES

_ADJECTIVES = (
    "the|my|your|its|a|final|correct|best|right|most|likely|appropriate|suitable|fitting|matching|predicted|"
    "assigned|chosen|selected|primary|main|single|overall|suggested|job|text|item"
)
NOUNS = (
    "label|category|class|classification|answer|result|output|prediction|response|choice|decision|verdict|"
    "tag|topic|intent|sentiment|option|assistant|"
    "kategorie|klasse|antwort|ergebnis|catégorie|étiquette|classe|réponse|categoría|categoria|etiqueta|"
    "respuesta|resposta|categoria|etichetta|risposta|categorie|antwoord|kategoria|kategori|"
    "категория|метка|ответ|класс|类别|類別|标签|標籤|答案|分类|分類|カテゴリ|カテゴリー|ラベル|回答|분류|라벨|답변|카테고리"
)
_QUOTE = "[\"'\u201c\u201d]?"
_OPENING = (
    r"(?:(?:sure(?:\s+thing)?|certainly|absolutely|of\s+course|okay|ok|alright|great)\s?[,.!:]+\s+)?"
    r"(?:here(?:\s+is|['\u2019]s)\s+)?"
)
_LEAD_IN = re.compile(
    rf"\[(?:{NOUNS})\]\s*[:\uff1a]?\s*|{_OPENING}(?:(?:so|thus|therefore|hence),?\s+)?{_QUOTE}(?:(?:{_ADJECTIVES})[\s_]+){{0,5}}(?:{NOUNS}){_QUOTE}"
    r"(?:\s+(?:for|of)(?:\s+[^\s:]{1,40}){1,5}?)?"
    rf"\s*(?:(?:is|would\s+be|should\s+be)\b\s*[:\uff1a]?|[:\uff1a=]|(?:[{DASHES}=]+>?|\u2192|\u21d2)(?=\s))\s*",
    re.IGNORECASE,
)
_LONGEST_LEAD_IN = 300
_FIELD = re.compile(rf"(?:.*[\s_-])?(?:{NOUNS})", re.IGNORECASE | re.DOTALL)


def after_lead_in(text: str) -> str | None:
    """Returns the rest of a text that opens with a lead-in such as ``The label is``, else None."""
    found = _LEAD_IN.match(text[:_LONGEST_LEAD_IN])
    return text[found.end() :] if found else None


def is_field_of_label(name: str) -> bool:
    """Returns whether a field of this name holds a label, such as ``predicted_label``."""
    return len(name) <= _LONGEST_LEAD_IN and bool(_FIELD.fullmatch(name.strip()))
