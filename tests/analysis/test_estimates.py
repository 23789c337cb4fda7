"""What a run will use, before it does."""

from dataclasses import replace

import pytest

from analysis.costs import estimate_tokens
from analysis.estimates import Counted, Estimate, EvenSample, Past, Work, counted, estimate, frame_tokens
from analysis.prompts import DEFAULT_SYSTEM_PROMPT, ProjectBrief
from tests.support.chat import message

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
    alone, more = (frame_tokens(DEFAULT_SYSTEM_PROMPT, project, estimate_tokens) for project in (None, brief))
    assert 800 < alone < more < alone + 300


def test_what_a_part_counts_is_what_all_of_it_counts() -> None:
    part = Counted(Work(1, 40, 3_200), tokens=1_500)
    assert estimate(WORK, FRAME, None, part).input_tokens == 10 * 1_500 + 10 * FRAME


def test_a_part_that_counts_and_a_past_are_not_corrected_twice() -> None:
    part = Counted(Work(1, 40, 3_200), tokens=1_500)
    past = Past(WORK, input_tokens=10 * 1_500 + 10 * FRAME, output_tokens=100)
    assert estimate(WORK, FRAME, past, part).input_tokens == past.input_tokens


def test_a_part_without_messages_says_nothing() -> None:
    assert estimate(WORK, FRAME, None, Counted(Work(0, 0, 0), 0)) == estimate(WORK, FRAME, None)


def test_counted_are_the_lines_of_messages_as_they_are_shown() -> None:
    said = message("Could you send the report by Friday?", author="alice")
    found = counted([[said], [said, said]], lambda shown: shown.count("alice"))
    assert found == Counted(Work(2, 3, 3 * len(said.text)), 3)


@pytest.mark.parametrize(("come", "taken"), [(0, []), (6, [0, 1, 2, 3, 4, 5]), (7, [0, 2, 4, 6]), (13, [0, 4, 8, 12])])
def test_a_sample_is_even_over_all_that_comes(come: int, taken: list[int]) -> None:
    sample = EvenSample[int](3)
    for number in range(come):
        sample.add(number)
    assert (sample.seen, list(sample)) == (come, taken)
