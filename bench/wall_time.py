"""Rows 1 and 2: what a run takes over what the model alone takes, Gleaner beside its peers."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from bench.capacity import calls_a_second
from bench.contender import Contender
from bench.ground import Ground, ground
from bench.loads import Load, Trial, median
from bench.rows import Row
from bench.side_by_side import SIDE_BY_SIDE, Line, contenders, in_turn, spread
from bench.trials import play

FORTY = Load(batches=400, latency=1.0, concurrency=40)
EIGHT = Load(batches=80, latency=1.0, concurrency=8)
QUICK_ROUNDS, QUICK_LATENCY = 2, 0.5
"""How often each place is filled in a quick measurement, and for how long: it shows the form and no more."""


async def forty_at_once(*, quick: bool = False, repeats: int = 5, peers: bool = True) -> Row:
    return await _measure(1, FORTY, 1.10, quick, repeats, peers)


async def eight_at_once(*, quick: bool = False, repeats: int = 5, peers: bool = True) -> Row:
    return await _measure(2, EIGHT, 1.06, quick, repeats, peers)


async def _measure(number: int, load: Load, goal: float, quick: bool, repeats: int, peers: bool) -> Row:
    if quick:
        load, repeats = replace(load, batches=QUICK_ROUNDS * load.concurrency, latency=QUICK_LATENCY), 1
    async with ground() as on:
        answered = await calls_a_second(on.model, quick=quick)
        trials = await in_turn(contenders(peers=peers), repeats, lambda contender: _play(on, contender, load))
    own = trials["Gleaner"]
    over = median(own, lambda trial: trial.over_ideal)
    asking = median(own, lambda trial: (trial.asking_seconds or 0) / load.ideal_seconds)
    return Row(
        number=number,
        what=f"{load.batches} batches, {load.latency:g} s each, {load.concurrency} at a time",
        measured=f"{over:.2f} × the ideal of {load.ideal_seconds:g} s; {asking:.2f} × from first call to last save",
        goal=f"≤ {goal:.2f} ×",
        met=over <= goal,
        figures={
            "model_calls_a_second": round(answered),
            "model_calls_a_second_needed": load.concurrency / load.latency,
            SIDE_BY_SIDE: {name: _line(of_one) for name, of_one in trials.items()},
            "trials": {name: [asdict(trial) for trial in of_one] for name, of_one in trials.items()},
        },
        ratios={"wall time over the ideal": over},
    )


def _line(trials: Sequence[Trial]) -> Line:
    return {
        "× ideal": spread([trial.over_ideal for trial in trials], 2),
        "CPU ms a batch": spread([trial.cpu_milliseconds() for trial in trials], 1),
    }


async def _play(on: Ground, contender: Contender, load: Load) -> Trial:
    """Who asks for one batch after the other is given no more of them than there are rounds, which is no less work for
    each of its places."""
    if contender.one_by_one:
        load = replace(load, batches=load.batches // load.concurrency)
    return await play(on, contender, load)
