"""Selects a label by keywords, which is better than chance and nothing more."""

import re
from collections.abc import Sequence
from functools import lru_cache

# For labels of job postings. Any other label is found by its own words.
_KEYWORDS = {
    "ai-ml": "machine learning|ml|ai|artificial intelligence|deep learning|nlp|llm|genai|perception|"
    "computer vision|research scientist|applied scientist",
    "customer-success": "customer success|customer support|customer experience|customer service|"
    "client success|support specialist|support associate|account manager|implementation|onboarding|"
    "customer care|technical account manager",
    "data": "data scientist|data science|data analyst|data engineer|data engineering|analytics|"
    "business intelligence|bi|data",
    "design": "designer|design|ux|ui|creative|illustrator|motion|art director",
    "engineering": "software engineer|engineer|engineering|developer|backend|frontend|full stack|fullstack|"
    "devops|sre|site reliability|architect|infrastructure|platform|software",
    "finance": "finance|financial|accountant|accounting|tax|payroll|treasury|fp&a|controller|audit|actuarial|"
    "actuary|billing|procurement",
    "it-security": "security|information security|it support|help desk|desktop support|technical support|"
    "cyber|threat|incident response|soc|system administrator|systems administrator|support engineer",
    "legal": "counsel|legal|attorney|paralegal|compliance|regulatory|privacy|policy|contracts",
    "marketing": "marketing|brand|communications|content|seo|demand generation|growth marketing|social media|"
    "public relations|events|copywriter",
    "operations": "operations|logistics|supply chain|business operations|bizops|fulfillment|warehouse",
    "people": "people|recruiter|recruiting|talent|human resources|hr|hrbp|nurse practitioner|psychotherapist",
    "product": "product manager|product management|product owner|head of product|product lead|"
    "program manager|director of product|vp product|product",
    "retail": "retail|store|optician|keyholder|cashier|floor lead|dashmart|stylist",
    "sales": "sales|account executive|business development|sdr|bdr|sales development|account director|"
    "partnerships|solutions engineer|solution engineer|sales engineer|territory|go-to-market",
}
_FALLBACK = "other"
# Weights of the lines of a prompt. A text without such lines has the weight of a title.
_WEIGHT_BY_LINE = {"title": 3.0, "department": 2.0, "company": 0.0, "location": 0.0}
_LINE = re.compile(r"^\s*(\w+):\s*(.*)$", re.MULTILINE)


def choose_label(labels: Sequence[str], text: str) -> str:
    """Returns the label whose keywords have the highest weight in a text. Longer keywords weigh more.

    Without a match, returns ``other`` if it is a label, else the first label. Deterministic.
    """
    weighted = [(_WEIGHT_BY_LINE.get(name.lower(), 1.0), line.lower()) for name, line in _LINE.findall(text)]
    if not weighted:
        weighted = [(3.0, text.lower())]
    best, best_score = None, 0.0
    for label in labels:
        pattern = _pattern(label)
        score = sum(
            weight * max((len(found) for found in pattern.findall(line)), default=0)
            for weight, line in weighted
            if weight
        )
        if score > best_score:
            best, best_score = label, score
    if best is not None:
        return best
    return next((label for label in labels if label.lower() == _FALLBACK), labels[0])


@lru_cache(maxsize=4096)
def _pattern(label: str) -> re.Pattern[str]:
    keywords = _KEYWORDS.get(label.lower())
    if keywords is None:
        words = [label.lower(), *re.findall(r"[^\W_]{3,}", label.lower())]
        keywords = "|".join(re.escape(word) for word in words)
    return re.compile(rf"(?<!\w)(?:{keywords})(?!\w)")
