"""A short campaign; `make chaos N=50 SEED=…` is a long one of any seed."""

from pathlib import Path

from tests.chaos.campaign import fire
from tests.chaos.faults import PROCESS_FAULTS

FAULTS = 4
SEED = 12


async def test_runs_under_fire_lose_and_double_nothing(tmp_path: Path) -> None:
    lines: list[str] = []
    async with fire(tmp_path, SEED) as burning:
        try:
            for count in (FAULTS // 2, FAULTS):  # a run in groups, and one without
                campaign = await burning.rage(PROCESS_FAULTS, count, lines.append)
        except BaseException as error:
            error.add_note(f"seed {SEED}; faults:\n" + "\n".join(lines))
            raise
    assert len(campaign.struck) == FAULTS
