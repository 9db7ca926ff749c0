"""Fleets of any size under load, with instances that end, and with changes of version."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import simpy

from tests.benchmarks.scaling.balancing import RULES, Outcome, SimulatedClient
from tests.benchmarks.scaling.instance import BatchSizes, SimulatedInstance
from tests.benchmarks.scaling.processor import EventLoop, Processor
from tests.benchmarks.scaling.service_times import ServiceTimes, percentile

OURS = next(iter(RULES))
SLOW_EVERY = 10
NOTICE_SECONDS = 0.2
"""After which the fleet sees that an instance has ended, once a request was lost."""


@dataclass(frozen=True)
class Result:
    """What callers met in the seconds that count."""

    rate: float
    """Answers a second."""
    p50: float
    """Seconds, like the next two."""
    p99: float
    mean: float
    failed: int
    retried: int
    batch_size: float
    cores_used: float = 0.0
    seconds: float = 0.0
    """How long a change took, if there was one."""


def _result(
    outcome: Outcome, seconds: float, sizes: BatchSizes, used: float = 0.0, took: float = 0.0
) -> Result:
    return Result(
        len(outcome.seconds) / seconds,
        percentile(outcome.seconds, 50),
        percentile(outcome.seconds, 99),
        sum(outcome.seconds) / max(1, len(outcome.seconds)),
        outcome.failed,
        outcome.retried,
        sizes.mean,
        used / seconds,
        took,
    )


def one_machine(
    times: ServiceTimes,
    *,
    instances: int,
    callers: int,
    cores: float,
    seconds: float = 30.0,
    warm_up: float = 5.0,
    rule: str = OURS,
    seed: int = 1,
) -> Result:
    """Return what `callers` meet that never pause, where all share the cores of one machine."""
    chance = random.Random(seed)
    environment = simpy.Environment()
    processor, sizes = Processor(environment, cores), BatchSizes()
    fleet = [
        SimulatedInstance(f"instance-{number}", processor, times, chance, sizes)
        for number in range(instances)
    ]
    outcome = Outcome(counted_from=warm_up)
    loop = EventLoop(processor, "callers")
    client = SimulatedClient(
        environment, RULES[rule](chance), fleet, outcome, loop=loop, caller=times.caller
    )

    def again() -> None:
        client.classify(again)

    for _ in range(callers):
        client.classify(again)
    environment.run(until=warm_up)
    before = processor.used
    environment.run(until=warm_up + seconds)
    return _result(outcome, seconds, sizes, processor.used - before)


def loaded(times: ServiceTimes, answer: float, caller: float, callers: int) -> ServiceTimes:
    """Return the times of an instance while cores are busy.

    An answer then takes `answer` in the server and `caller` in the caller, as was measured with
    so many callers and one instance.
    """
    first = times.under_load(answer, caller, 2.0)
    size = one_machine(
        first, instances=1, callers=callers, cores=2, seconds=10, warm_up=2
    ).batch_size
    return times.under_load(answer, caller, size)


class Machines:
    """A fleet with a machine for each instance, and programs that send photos by chance.

    `load` is the share of what all instances can answer, and `clients` the number of programs
    that it is spread over, each of which knows its own requests alone.
    """

    def __init__(
        self,
        times: ServiceTimes,
        *,
        instances: int,
        cores: int,
        load: float,
        capacity: float,
        clients: int = 1,
        rule: str = OURS,
        seed: int = 1,
        counted_from: float = 0.0,
        slow: bool = False,
    ) -> None:
        """With `slow`, every tenth machine has half the cores."""
        self.environment = simpy.Environment()
        self.chance = random.Random(seed)
        self.outcome = Outcome(counted_from=counted_from)
        self.sizes = BatchSizes()
        self._times, self._cores, self._slow = times, cores, slow
        self._started = 0
        self.fleet = [self.start() for _ in range(instances)]
        self.clients = [
            SimulatedClient(
                self.environment, RULES[rule](self.chance), self.fleet, self.outcome, seed=number
            )
            for number in range(clients)
        ]
        slow_machines = instances // SLOW_EVERY if slow else 0
        arrivals = load * capacity * (instances - slow_machines / 2) / clients
        for client in self.clients:
            self.environment.process(self._arrivals(client, arrivals))

    def start(self) -> SimulatedInstance:
        """Return one more instance, on a machine of its own."""
        self._started += 1
        is_slow = self._slow and self._started % SLOW_EVERY == 0
        processor = Processor(self.environment, self._cores / 2 if is_slow else self._cores)
        name = f"instance-{self._started}"
        return SimulatedInstance(name, processor, self._times, self.chance, self.sizes)

    def add(self, instance: SimulatedInstance) -> None:
        self.fleet.append(instance)
        for client in self.clients:
            client.add(instance)

    def remove(self, instance: SimulatedInstance) -> None:
        self.fleet.remove(instance)
        for client in self.clients:
            client.remove(instance)

    def result(self, until: float, took: float = 0.0) -> Result:
        """Let time pass until then, in seconds, and return what was met."""
        self.environment.run(until=until)
        return _result(self.outcome, until - self.outcome.counted_from, self.sizes, took=took)

    def _arrivals(
        self, client: SimulatedClient, a_second: float
    ) -> Generator[simpy.Event, None, None]:
        while True:
            yield self.environment.timeout(self.chance.expovariate(a_second))
            client.classify()


MakeMachines = Callable[[float], Machines]
"""Makes a fleet whose outcome counts from this moment."""

WARM_UP = 0.5


def steady(make: MakeMachines, seconds: float, warm_up: float = WARM_UP) -> Result:
    """Return what is met while nothing changes."""
    return make(warm_up).result(warm_up + seconds)


def failures(
    make: MakeMachines, share: float, start_seconds: Sequence[float], seconds: float
) -> Result:
    """Return what is met from the moment on at which a share of the instances ends.

    At least one does. Each is replaced by one that takes as long to start as some real one.
    """
    machines = make(WARM_UP)
    environment, chance = machines.environment, machines.chance

    def replace() -> Generator[simpy.Event, None, None]:
        yield environment.timeout(NOTICE_SECONDS + chance.choice(start_seconds))
        machines.add(machines.start())

    def kill() -> Generator[simpy.Event, None, None]:
        yield environment.timeout(WARM_UP)
        count = max(1, round(share * len(machines.fleet)))
        victims = chance.sample(machines.fleet, count)
        for victim in victims:
            victim.kill()
            environment.process(replace())
        yield environment.timeout(NOTICE_SECONDS)
        for victim in victims:
            machines.remove(victim)

    environment.process(kill())
    return machines.result(WARM_UP + seconds)


def rolling_change(
    make: MakeMachines, at_a_time: int, start_seconds: Sequence[float], most_seconds: float
) -> Result:
    """Return what is met while all instances are replaced, each new one started first.

    `at_a_time` more than there should be run meanwhile. The result counts no longer than
    `most_seconds`, whereas `seconds` of it is how long the whole change takes.
    """
    machines = make(WARM_UP)
    environment, chance = machines.environment, machines.chance
    old = list(machines.fleet)
    count = len(old)
    done: list[float] = []

    def replace() -> Generator[simpy.Event, None, None]:
        while old:
            former = old.pop(0)
            yield environment.timeout(chance.choice(start_seconds))
            machines.add(machines.start())
            # It answers what it was sent before it ends.
            machines.remove(former)
            done.append(environment.now)

    def begin() -> Generator[simpy.Event, None, None]:
        yield environment.timeout(WARM_UP)
        for _ in range(at_a_time):
            environment.process(replace())

    environment.process(begin())
    mean_start = sum(start_seconds) / len(start_seconds)
    expected = mean_start * count / at_a_time
    result = machines.result(WARM_UP + min(most_seconds, expected))
    elapsed = done[-1] - WARM_UP if len(done) == count else expected
    return Result(**{**vars(result), "seconds": elapsed})
