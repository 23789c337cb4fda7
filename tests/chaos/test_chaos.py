"""A short campaign of each of two seeds; `make chaos N=50` is a long one."""

from pathlib import Path

import pytest

from tests.chaos.campaign import fire
from tests.chaos.faults import PROCESS_FAULTS

FAULTS = 4


@pytest.mark.parametrize("seed", [11, 12])
async def test_runs_under_fire_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    lines: list[str] = []
    async with fire(tmp_path, seed) as burning:
        try:
            campaign = await burning.rage(PROCESS_FAULTS, FAULTS, lines.append)
        except BaseException as error:
            error.add_note(f"seed {seed}; faults:\n" + "\n".join(lines))
            raise
    assert len(campaign.struck) == FAULTS
