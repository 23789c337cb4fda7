"""Row 13: how many batches a second at a model that answers at once, and what each costs, Gleaner beside its peers."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from bench.capacity import calls_a_second
from bench.ground import ground
from bench.loads import Load, Trial, median
from bench.rows import Row
from bench.side_by_side import SIDE_BY_SIDE, Line, contenders, in_turn, spread
from bench.trials import play

AT_ONCE = Load(batches=500, latency=0.0, concurrency=40)
QUICK_BATCHES = 40
_OWN = ("worker", "api")


async def measure(*, quick: bool = False, repeats: int = 5, peers: bool = True) -> Row:
    load = replace(AT_ONCE, batches=QUICK_BATCHES) if quick else AT_ONCE
    async with ground() as on:
        answered = await calls_a_second(on.model, quick=quick)
        trials = await in_turn(
            contenders(peers=peers), 1 if quick else repeats, lambda contender: play(on, contender, load)
        )
    own = trials["Gleaner"]
    speed = median(own, lambda trial: trial.batches_a_second)
    statements = median(own, lambda trial: trial.statements / trial.load.batches)
    cpu = median(own, lambda trial: trial.cpu_milliseconds())
    return Row(
        number=13,
        what=f"{load.batches} batches at a model that answers at once, {load.concurrency} at a time",
        measured=f"{speed:.0f} batches/s; {statements:.0f} statements and {cpu:.0f} ms of CPU a batch",
        goal="–",
        met=None,
        figures={
            "model_calls_a_second": round(answered),
            SIDE_BY_SIDE: {name: _line(of_one) for name, of_one in trials.items()},
            "trials": {name: [asdict(trial) for trial in of_one] for name, of_one in trials.items()},
        },
    )


def _line(trials: Sequence[Trial]) -> Line:
    return {
        "batches/s": spread([trial.batches_a_second for trial in trials], 0),
        "statements": spread([trial.statements / trial.load.batches for trial in trials], 1),
        "own CPU ms": spread([trial.cpu_milliseconds(*_OWN) for trial in trials], 1),
        "PostgreSQL CPU ms": spread([trial.cpu_milliseconds("postgres") for trial in trials], 1),
        "engine CPU ms": spread([trial.cpu_milliseconds("temporal", "nats-server") for trial in trials], 1),
    }
