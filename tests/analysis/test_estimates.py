"""What a run will use, before it does."""

from dataclasses import replace

import pytest

from analysis.estimates import Estimate, Past, Work, estimate, frame_tokens
from analysis.prompts import DEFAULT_SYSTEM_PROMPT, ProjectBrief

WORK = Work(batches=10, messages=400, characters=32_000)
FRAME = 1000


@pytest.mark.parametrize("more", [{"batches": 20}, {"messages": 800}, {"characters": 64_000}])
def test_an_estimate_grows_with_each_part_of_the_work(more: dict[str, int]) -> None:
    base = estimate(WORK, FRAME, None)
    assert base.input_tokens > 10 * FRAME + 32_000 / 4
    assert estimate(replace(WORK, **more), FRAME, None).input_tokens > base.input_tokens
    assert estimate(WORK, 2 * FRAME, None).input_tokens > base.input_tokens


def test_what_a_model_used_before_corrects_the_guess() -> None:
    base = estimate(WORK, FRAME, None)
    past = Past(Work(5, 200, 16_000), input_tokens=round(base.input_tokens * 0.75), output_tokens=5 * 120)
    corrected = estimate(WORK, FRAME, past)
    assert corrected.input_tokens == pytest.approx(base.input_tokens * 1.5, rel=0.01)
    assert corrected.output_tokens == 10 * 120


def test_a_past_that_is_beyond_reason_moves_it_only_so_far() -> None:
    base = estimate(WORK, FRAME, None)
    assert estimate(WORK, FRAME, Past(WORK, 10**9, 0)).input_tokens == pytest.approx(4 * base.input_tokens, abs=2)


def test_no_work_uses_nothing() -> None:
    assert estimate(Work(0, 0, 0), FRAME, None) == Estimate(0, 0)


def test_a_project_is_a_part_of_each_request() -> None:
    brief = ProjectBrief(name="Shop", description="Where our customers buy tea. " * 20)
    alone, more = frame_tokens(DEFAULT_SYSTEM_PROMPT, None), frame_tokens(DEFAULT_SYSTEM_PROMPT, brief)
    assert 800 < alone < more < alone + 300
