"""What a fleet of 1 to 1,000 instances would answer, by simulation.

    python -m tests.benchmarks.scaling_simulation [--parts PART ...] [--sizes N ...]
        [--seconds 1] [--measured FILE] [--figure FILE]

The service times are those that `python -m tests.benchmarks.scaling_measure --write` measured
with one real instance. Parts:

- `check`: one, two and four instances on one machine, beside what was measured with real ones;
- `rules`: 1 to 1,000 machines with an instance each, by the client's own rule for choosing an
  instance, by two random choices, round robin, and at random; one program calls all of them, or
  one for each ten instances, which knows its own requests alone;
- `uneven`: every tenth machine has half the cores;
- `failures`: one in twenty instances ends, and is replaced after a measured time;
- `changes`: all instances are replaced, each new one started before an old one ends.

Requests come at random moments. All seeds are fixed, so the figures are the same each time.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.scaling.balancing import RULES
from tests.benchmarks.scaling.figure import line_chart
from tests.benchmarks.scaling.service_times import MEASURED, Measured, Measurement
from tests.benchmarks.scaling.simulate import (
    OURS,
    Machines,
    MakeMachines,
    Result,
    failures,
    loaded,
    one_machine,
    rolling_change,
    steady,
)

SIZES = (1, 2, 4, 10, 30, 100, 300, 1000)
CHANGED_SIZES = (4, 30, 300)
LOADS = (0.7, 0.9)
MAX_AT_HIGH_LOAD = 300
"""Instances that are simulated at the higher load too; more would take minutes of a core."""
WARM_UP = {0.7: 0.5, 0.9: 2.0}
"""Seconds, by the load, until queues are as long as they get."""
CHOSEN_LOAD = 0.7
INSTANCES_PER_CLIENT = 10
UNEVEN = (10, 100)
CHANGE_SECONDS = 2.0
"""That count of a change, or after instances ended."""
SHARE_ENDED = 0.05
ENOUGH_ANSWERS = 10_000
TOLERANCE = 0.15
CHECK_SECONDS = 20.0
FIGURES = (("answers/s", "rate", 1), ("p50, ms", "p50", 1000), ("p99, ms", "p99", 1000))
"""Of Measured and Result alike: what it is called, its name there, and of how many units."""
PARTS = ("check", "rules", "uneven", "failures", "changes")


class Simulation:
    """Fleets whose machines are like the one that was measured."""

    def __init__(self, measurement: Measurement, seconds: float, sizes: Sequence[int]) -> None:
        self.measurement, self.seconds, self.sizes = measurement, seconds, sizes
        self.times = measurement.times(measurement.cores)

    @functools.cached_property
    def capacity(self) -> float:
        """Answers a second of one instance that has a machine to itself, all places taken."""
        machines = Machines(
            self.times,
            instances=1,
            cores=self.measurement.cores,
            load=3.0,
            capacity=1 / self.times.of_answer(1) * self.measurement.cores,
            counted_from=2.0,
        )
        return machines.result(12.0).rate

    def fleet(
        self, instances: int, load: float, clients: int, rule: str = OURS, *, slow: bool = False
    ) -> MakeMachines:
        return lambda counted_from: Machines(
            self.times,
            instances=instances,
            cores=self.measurement.cores,
            load=load,
            capacity=self.capacity,
            clients=clients,
            rule=rule,
            counted_from=counted_from,
            slow=slow,
        )

    def seconds_for(self, instances: int) -> float:
        """Return how long to count, so that small fleets answer enough, too."""
        return max(self.seconds, ENOUGH_ANSWERS / (self.capacity * instances))


def check(simulation: Simulation) -> bool:
    """Print simulated and measured figures; returns whether all are close.

    Each round is simulated with what one instance took in the same round, and with the cores that
    other programs left. The median of the rounds' own ratios counts, which a busy machine disturbs
    least.
    """
    measurement = simulation.measurement
    print("\nInstances that share one machine, callers that never pause")
    print("| instances | figure | measured | simulated | differs by |\n|---|---|---|---|---|")
    rounds: dict[int, list[tuple[Measured, Result]]] = {}
    for real in measurement.measured:
        times = measurement.times(real.threads)
        found = one_machine(
            loaded(times, real.server, real.caller, real.callers),
            instances=real.instances,
            callers=real.callers,
            cores=real.left,
            seconds=CHECK_SECONDS,
        )
        rounds.setdefault(real.instances, []).append((real, found))
    close = True
    for instances, pairs in rounds.items():
        for name, field, unit in FIGURES:
            measured = [getattr(real, field) for real, _ in pairs]
            simulated = [getattr(found, field) for _, found in pairs]
            ratios = [after / before for before, after in zip(measured, simulated, strict=True)]
            error = statistics.median(ratios) - 1
            close = close and abs(error) <= TOLERANCE
            print(
                f"| {instances} | {name} | {unit * statistics.median(measured):.1f} "
                f"| {unit * statistics.median(simulated):.1f} | {error:+.0%} |",
                flush=True,
            )
    return close


def rules(simulation: Simulation, figure: Path | None) -> None:
    """Print p50 and p99 for each rule, size, and load."""
    print(f"\nOne machine with one instance answers at most {simulation.capacity:.0f} a second.")
    lines: dict[str, list[tuple[float, float]]] = {name: [] for name in RULES}
    for several in (False, True):
        callers = "one program for each ten instances" if several else "one program calls"
        print(f"\np50 / p99 in ms; {callers}")
        print("| instances | load | answers/s |", " | ".join(RULES), "|")
        print("|---" * (3 + len(RULES)) + "|")
        for instances in simulation.sizes:
            clients = max(1, instances // INSTANCES_PER_CLIENT) if several else 1
            if several and clients == 1:
                continue
            both = not several and instances <= MAX_AT_HIGH_LOAD
            for load in LOADS if both else (CHOSEN_LOAD,):
                found = {
                    name: steady(
                        simulation.fleet(instances, load, clients, name),
                        simulation.seconds_for(instances),
                        WARM_UP[load],
                    )
                    for name in RULES
                }
                cells = " | ".join(_times(each) for each in found.values())
                rate = found[OURS].rate
                print(f"| {instances:,} | {load:.0%} | {rate:,.0f} | {cells} |", flush=True)
                if load == CHOSEN_LOAD and not several:
                    for name, each in found.items():
                        lines[name].append((instances, 1000 * each.p99))
        if figure is not None and not several:
            title = f"p99 by the number of instances, at {CHOSEN_LOAD:.0%} of what they can answer"
            figure.write_text(line_chart(title, "instances", "ms", lines))


def uneven(simulation: Simulation) -> None:
    """Print p50 and p99 where one machine in ten is half as fast."""
    print("\np50 / p99 in ms; every tenth machine has half the cores")
    print("| instances | load |", " | ".join(RULES), "|")
    print("|---" * (2 + len(RULES)) + "|")
    for instances in UNEVEN:
        for load in LOADS:
            cells = [
                _times(
                    steady(
                        simulation.fleet(instances, load, 1, name, slow=True),
                        simulation.seconds_for(instances),
                        WARM_UP[load],
                    )
                )
                for name in RULES
            ]
            print(f"| {instances:,} | {load:.0%} | {' | '.join(cells)} |", flush=True)


def ends(simulation: Simulation) -> None:
    """Print what callers meet while some instances end."""
    share = f"{SHARE_ENDED:.0%} of the instances end, at least one"
    print(f"\n{share}; load {CHOSEN_LOAD:.0%}; p50 / p99 in ms in the {CHANGE_SECONDS:.0f} s then")
    print("| instances | sent again | failed |", " | ".join(RULES), "|")
    print("|---" * (3 + len(RULES)) + "|")
    for instances in CHANGED_SIZES:
        found = [
            failures(
                simulation.fleet(instances, CHOSEN_LOAD, 1, name),
                SHARE_ENDED,
                simulation.measurement.start_seconds,
                CHANGE_SECONDS,
            )
            for name in RULES
        ]
        print(
            f"| {instances:,} | {found[0].retried} | {sum(each.failed for each in found)} |",
            " | ".join(map(_times, found)),
            "|",
            flush=True,
        )


def changes(simulation: Simulation) -> None:
    """Print how long a change of all instances takes, and what callers meet meanwhile."""
    print(f"\nA change of all instances, each new one started first; load {CHOSEN_LOAD:.0%}")
    print("| instances | at a time | takes, s | p50 / p99, ms | sent again | failed |")
    print("|---" * 6 + "|")
    for instances in CHANGED_SIZES:
        for at_a_time in sorted({1, max(1, instances // 10)}):
            make = simulation.fleet(instances, CHOSEN_LOAD, 1)
            found = rolling_change(
                make, at_a_time, simulation.measurement.start_seconds, CHANGE_SECONDS
            )
            print(
                f"| {instances:,} | {at_a_time} | {found.seconds:,.0f} | {_times(found)} "
                f"| {found.retried} | {found.failed} |",
                flush=True,
            )


def _times(result: Result) -> str:
    return f"{1000 * result.p50:.0f} / {1000 * result.p99:.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="of the fleets")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="that count at least, for each figure"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--measured", type=Path, default=MEASURED, help="service times to use")
    parser.add_argument("--figure", type=Path, help="SVG file to write the figure to")
    arguments = parser.parse_args()
    simulation = Simulation(
        Measurement.read(arguments.measured), arguments.seconds, arguments.sizes
    )
    close = True
    if "check" in arguments.parts:
        close = check(simulation)
    if "rules" in arguments.parts:
        rules(simulation, arguments.figure)
    if "uneven" in arguments.parts:
        uneven(simulation)
    if "failures" in arguments.parts:
        ends(simulation)
    if "changes" in arguments.parts:
        changes(simulation)
    return 0 if close else 1


if __name__ == "__main__":
    raise SystemExit(main())
