"""Prints figures as one table per part, with the medians of the rounds."""

from typing import Any

from tests.bench.figures import show


def print_table(part: dict[str, Any]) -> None:
    """Prints one part of ``bench.json``."""
    contenders = part["contenders"]
    measures = list(dict.fromkeys(measure for values in contenders.values() for measure in values))
    width = max((len(name) for name in contenders), default=0) + 2
    loads = ", ".join(f"{load:.1f}" for load in part["loads"])
    print(f"\n{part['title']} (medians; load at each round: {loads})")
    print(" " * width + "".join(f"{measure:>{len(measure) + 3}}" for measure in measures))
    for name, values in contenders.items():
        cells = (show(values[measure]["median"]) if measure in values else "-" for measure in measures)
        print(
            f"{name:<{width}}"
            + "".join(f"{cell:>{len(measure) + 3}}" for cell, measure in zip(cells, measures, strict=True))
        )
    for comparison in part["comparisons"]:
        verdict = {None: "", True: ": met", False: ": NOT MET"}[comparison["is_met"]]
        target = f"   target {comparison['target']}{verdict}" if comparison["target"] else ""
        print(f"  {comparison['text']}: {show(comparison['median'])}{target}")
    for note in part["notes"]:
        print(f"  {note}")
