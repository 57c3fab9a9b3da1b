"""Prints the summary of the demonstration."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from headrace import Job, Result


def print_summary(
    console: Console, job: Job, results: Sequence[Result], own: Sequence[str], seconds: float
) -> None:
    """Prints categories with counts, agreement, failures, tokens, duration and items per second.

    Args:
        console: Console to print to.
        job: Terminal snapshot of the job.
        results: All results of the job.
        own: Category of each posting chosen by its publisher, by item_index.
        seconds: Seconds from before the submit until the end was known.
    """
    predicted = {
        result.item_index: result.output["label"] for result in results if isinstance(result.output, dict)
    }
    _print_categories(console, predicted, own)
    agreed = sum(label == own[index] for index, label in predicted.items())
    if predicted:
        console.print(f"Agreement with the listings' own category: {agreed / len(predicted):.1%}")
    failures = Counter(result.error.reason for result in results if result.error)
    if failures:
        console.print(f"Failed: {', '.join(f'{count:,} {name}' for name, count in failures.most_common())}")
    usage, done = job.usage, job.progress.done_count
    console.print(
        f"Calls: {usage.call_count:,}   Tokens: {usage.input_tokens:,} in, {usage.output_tokens:,} out"
    )
    console.print(f"Duration: {seconds:.1f} s   {done / seconds:,.0f} items/s")


def _print_categories(console: Console, predicted: dict[int, str], own: Sequence[str]) -> None:
    table = Table("category")
    for heading in ("predicted", "listed", "agreed"):
        table.add_column(heading, justify="right")
    predicted_counts, own_counts = Counter(predicted.values()), Counter(own)
    agreed_counts = Counter(label for index, label in predicted.items() if label == own[index])
    for label, count in own_counts.most_common():
        table.add_row(label, f"{predicted_counts[label]:,}", f"{count:,}", f"{agreed_counts[label]:,}")
    console.print(table)
