"""The call of every contender, with the same prompt bytes as the kind ``llm.classify``."""

LABELS = ["alpha", "beta", "gamma", "delta"]
TEMPLATE = "Which of them is text {n}? It says nothing of interest, at about the length of a job title."
MODEL = "bench"
_INSTRUCTION = (
    "Classify the text of the user. Answer with exactly one of the labels below, as it is written there, "
    "and nothing else: no quotes, no explanation.\n\nLabels:\n"
) + "\n".join(LABELS)


def chat(number: int) -> list[dict[str, str]]:
    """Returns the messages for one item."""
    return [
        {"role": "system", "content": _INSTRUCTION},
        {"role": "user", "content": TEMPLATE.replace("{n}", str(number))},
    ]
