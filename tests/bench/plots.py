"""Draws plots of bench.json, in the peers' environment: python -m tests.bench.plots JSON FOLDER."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def plot_part(name: str, part: dict[str, Any], folder: Path) -> Path:
    """Draws a bar chart per measure, with medians and the range of the rounds."""
    contenders = part["contenders"]
    measures = list(dict.fromkeys(measure for values in contenders.values() for measure in values))
    height = 1.6 + 0.32 * len(contenders)
    size = (3.2 * len(measures) + 2, height)
    figure, axes = pyplot.subplots(1, len(measures), figsize=size, squeeze=False, layout="constrained")
    for number, (axis, measure) in enumerate(zip(axes[0], measures, strict=True)):
        rounds = [contenders[one].get(measure, {"rounds": [0], "median": 0}) for one in contenders]
        medians = [values["median"] for values in rounds]
        low = [values["median"] - min(values["rounds"]) for values in rounds]
        high = [max(values["rounds"]) - values["median"] for values in rounds]
        colours = [
            "#1f77b4" if one.startswith("ours") or one.endswith(": ours") else "#b0b0b0" for one in contenders
        ]
        axis.barh(list(contenders), medians, xerr=[low, high], color=colours, error_kw={"lw": 1})
        axis.margins(y=0.01)
        axis.invert_yaxis()
        axis.set_title(measure.replace("_", " "), fontsize=9)
        axis.tick_params(labelsize=8, labelleft=number == 0)
    figure.suptitle(part["title"], fontsize=10)
    path = folder / f"{name}-{re.sub('[^a-z]+', '-', part['title'].partition(':')[0][3:].lower())}.png"
    figure.savefig(path, dpi=110)
    return path


def main() -> None:
    """Draws one file per part and prints their paths."""
    report = json.loads(Path(sys.argv[1]).read_text())
    for name, part in report["parts"].items():
        print(plot_part(name, part, Path(sys.argv[2])))


if __name__ == "__main__":
    main()
