"""What a run would use, from a plan that nobody stores."""

from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.batches import PlannedBatch, Planner
from analysis.estimates import Estimate, EvenSample, Past, Work, counted, estimate, frame_tokens
from analysis.prefilter import Rules
from analysis.prompts import ProjectBrief
from analysis.tokenizers import Counter
from db import batches, window_previews
from models.conversation import ChatMessage
from models.run import AnalysisRun

LEAST_COUNTED = 8
"""Batches whose tokens are counted, or twice as many: a plan of ten thousand would take a minute and say the same."""


@dataclass(frozen=True)
class Plan:
    """The work, and some of its batches."""

    work: Work
    sample: list[list[ChatMessage]]


async def plan(session: AsyncSession, run: AnalysisRun, rules: Rules, seen: window_previews.Preview) -> Plan:
    """The batches that the run would ask about, of the messages that the preview has `seen`."""
    planner = Planner(max_batch_size=int(run.options["max_batch_size"]))
    sample = EvenSample[PlannedBatch](LEAST_COUNTED)
    async for stretch in window_previews.preview_stretches(session, run, rules, seen.unlikely):
        for batch in planner.plan(stretch):
            sample.add(batch)
    for batch in planner.finish():
        sample.add(batch)
    return Plan(
        Work(sample.seen, seen.kept, seen.characters),
        [await batches.messages(session, batch.message_ids) for batch in sample],
    )


def estimated(run: AnalysisRun, plan: Plan, past: Past | None, count: Counter) -> Estimate:
    """The tokens that the plan will use."""
    system_prompt, project = run.config_snapshot["agent"]["system_prompt"], ProjectBrief.of(run.config_snapshot)
    frame = frame_tokens(system_prompt, project, count)
    return estimate(plan.work, frame, past, counted(plan.sample, count))
