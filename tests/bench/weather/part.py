"""Part G: bad weather at the provider, by Headrace and by handwritten loops."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from tests.bench.figures import Figures
from tests.bench.options import Options
from tests.bench.systems import bench_servers
from tests.bench.weather.scenarios import Scenario, scenarios
from tests.bench.weather.systems import (
    DEFAULT_RETRIES,
    INSPECT,
    MORE_RETRIES,
    OURS,
    Systems,
    run_systems,
)

Measures = dict[str, float]


def measure(options: Options) -> Figures:
    """Runs the part."""
    figures = Figures("G. Weather: random 429s, a cap, a queue and an outage, measured once warm")
    chosen = scenarios(options.scale)
    with bench_servers(0) as servers, run_systems(servers, {each.in_flight for each in chosen}) as systems:
        for number in options.each_round(figures):
            rates: dict[tuple[str, str], float] = {}
            for scenario in chosen:
                found = _run(systems, scenario, number)
                for system, measures in found.items():
                    rates[scenario.name, system] = measures["items_per_s"]
                    share = share_percent(rates, scenario, system)
                    figures.add(f"{scenario.name}: {system}", share_percent=share, **measures)
    for scenario in chosen:
        for other in (DEFAULT_RETRIES, MORE_RETRIES, INSPECT):
            figures.compare(f"{scenario.name}: {OURS}", f"{scenario.name}: {other}", "items_per_s")
    figures.notes.append(
        "share_percent: of the same system's rate without noise. Without noise, at the cap and with the"
        " queue, of the rate that the provider allows. Refused connections are not counted as calls."
    )
    return figures


def systems_of(scenario: Scenario) -> list[str]:
    """Returns the systems that run in a scenario."""
    return [OURS, DEFAULT_RETRIES, *([MORE_RETRIES] if scenario.with_more_retries else []), INSPECT]


def share_percent(rates: Mapping[tuple[str, str], float], scenario: Scenario, system: str) -> float:
    """Returns the rate of a system as a share of its rate without noise, or of the possible rate.

    Without noise, the loop with five retries is the same as that with two, and only that one runs.

    Args:
        rates: Items a second by scenario and system.
        scenario: The scenario.
        system: The system.
    """
    same = DEFAULT_RETRIES if system == MORE_RETRIES else system
    whole = rates[scenario.quiet_name, same] if scenario.quiet_name else scenario.possible_per_s
    return 100 * rates[scenario.name, system] / whole if whole else 0.0


def _run(systems: Systems, scenario: Scenario, seed: int) -> dict[str, Measures]:
    """Returns the measures of each system. Systems run at the same time if the scenario is light."""
    names = systems_of(scenario)
    with ThreadPoolExecutor(len(names) if scenario.is_light else 1) as threads:
        found = threads.map(lambda system: systems.run(system, scenario, seed), names)
        return dict(zip(names, found, strict=True))
