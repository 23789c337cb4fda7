"""A worker that stops throws away the workflows that it has in memory, in whichever thread."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from models.base import new_id
from workflows import contract, steps
from workflows.analysis_run import AnalysisRun


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> AnalysisRun:
    """A workflow whose steps never end."""
    for name in ("_ask_and_save", "_ask_one_by_one"):
        monkeypatch.setattr(AnalysisRun, name, _never)
    monkeypatch.setattr(steps, "probe_provider", _never)
    return AnalysisRun(contract.RunInput(run_id=new_id()))


async def _never(*_: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "under_way",
    [
        lambda run: run._settle([1]),
        lambda run: run._settle([1, 2]),
        lambda run: run._probe(),
        lambda run: run._step(_never()),
    ],
    ids=["a batch", "a group", "a probe", "a step"],
)
async def test_what_is_under_way_ends_where_no_loop_runs(
    run: AnalysisRun, under_way: Callable[[AnalysisRun], Coroutine[None, None, None]]
) -> None:
    coroutine = under_way(run)
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    await asyncio.to_thread(coroutine.close)
    task.cancel()
    with pytest.raises(RuntimeError, match="already awaited"):
        await task
