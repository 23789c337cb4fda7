"""Row 14: kill -9 of the worker in the middle of a run, and what is then left to do, Gleaner beside its peers."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from uuid import UUID

from bench.contender import Contender, Progress, Serving
from bench.ground import START, Ground, field, ground
from bench.loads import Load, Window
from bench.rows import Row
from bench.side_by_side import SIDE_BY_SIDE, Line, contenders, in_turn, spread
from bench.trials import warm_up
from tests.support.waiting import until

LOAD = Load(batches=200, latency=1.0, concurrency=40)
QUICK_BATCHES = 40
NO_HOPE_SECONDS = 60.0
"""After so long without a batch a run won't go on by itself: twice as long as any part waits before it tries again."""
PATIENCE_SECONDS = 900.0
_LOOK_EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class Killed:
    """What became of a run whose worker was killed when half of the batches were done, and started again at once.

    `seconds` run from the worker's restart until the run is completed; None where it didn't complete by itself. Then
    `lost` batches are missing, and what follows is counted after a person had started the run again.
    """

    seconds: float | None
    lost: int
    doubled: int
    asked_again: int


async def measure(*, quick: bool = False, repeats: int = 5, peers: bool = True) -> Row:
    load = replace(LOAD, batches=QUICK_BATCHES) if quick else LOAD
    among = contenders(peers=peers)
    async with ground() as on:
        killed = await in_turn(among, 1 if quick else repeats, lambda contender: _play(on, contender, load))
    own = killed["Gleaner"]
    what_to_do = {contender.name: contender.after_a_kill for contender in among}
    lost, doubled = (sum(getattr(one, figure) for one in own) for figure in ("lost", "doubled"))
    return Row(
        number=14,
        what=f"kill -9 of the worker at half of {load.batches} batches, {load.concurrency} at a time",
        measured=f"done {_recovery(own)} s after its restart; {lost} batches lost, {doubled} proposals doubled",
        goal="by itself; none lost, none doubled",
        met=all(one.seconds is not None for one in own) and lost == doubled == 0,
        figures={
            SIDE_BY_SIDE: {name: _line(of_one, what_to_do[name]) for name, of_one in killed.items()},
            "trials": {name: [asdict(one) for one in of_one] for name, of_one in killed.items()},
        },
    )


async def _play(on: Ground, contender: Contender, load: Load) -> Killed:
    if contender.one_by_one:
        load = replace(load, batches=load.batches // load.concurrency * 2)
    async with field(on) as place, contender.serving(place, load.concurrency) as serving:
        await warm_up(place, serving, load)
        await on.model.begin(latency=load.latency)
        run_id = await serving.make(Window(START, load.batches), load.concurrency)
        await serving.start(run_id)
        await until(
            lambda: _look(serving, run_id),
            lambda progress: progress.settled >= load.batches // 2,
            seconds=PATIENCE_SECONDS,
        )
        await serving.kill()
        await serving.restart()
        restarted = time.time()
        completed = await _left_alone(serving, run_id)
        lost = load.batches - (await serving.progress(run_id)).settled
        if completed is None:
            await serving.start(run_id)
            await until(lambda: _look(serving, run_id), _is_completed, seconds=PATIENCE_SECONDS)
        rows, different = await serving.proposals(run_id)
        return Killed(
            None if completed is None else completed - restarted,
            lost,
            rows - different,
            _again((await on.model.stats()).asked),
        )


async def _left_alone(serving: Serving, run_id: UUID) -> float | None:
    """When the run was completed, or None once there is no more hope for it."""
    settled, since = -1, time.monotonic()

    async def look() -> Progress | None:
        nonlocal settled, since
        progress = await _look(serving, run_id)
        if progress.settled != settled:
            settled, since = progress.settled, time.monotonic()
        hopeless = time.monotonic() - since > NO_HOPE_SECONDS
        return progress if _is_completed(progress) or hopeless else None

    progress = await until(look, seconds=PATIENCE_SECONDS)
    return progress.completed_at.timestamp() if progress is not None and progress.completed_at is not None else None


async def _look(serving: Serving, run_id: UUID) -> Progress:
    await asyncio.sleep(_LOOK_EVERY_SECONDS)
    return await serving.progress(run_id)


def _is_completed(progress: Progress) -> bool:
    return progress.completed_at is not None


def _again(asked: Mapping[str, int]) -> int:
    """Calls of which an earlier one had asked the same: a provider takes money for both."""
    return sum(times - 1 for times in asked.values())


def _recovery(killed: Sequence[Killed]) -> str:
    """The seconds, or how many didn't get there."""
    by_themselves = [one.seconds for one in killed if one.seconds is not None]
    if len(by_themselves) < len(killed):
        return f"not ({len(killed) - len(by_themselves)} of {len(killed)})"
    return spread(by_themselves, 1)


def _line(killed: Sequence[Killed], what_to_do: str) -> Line:
    return {
        "done by itself after s": _recovery(killed),
        "batches lost": spread([one.lost for one in killed], 0),
        "proposals doubled": spread([one.doubled for one in killed], 0),
        "calls paid twice": spread([one.asked_again for one in killed], 0),
        "a person must": what_to_do,
    }
