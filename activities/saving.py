"""Turn answers into proposals: the batches of a run that wait for it together, each whole or not at all."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from temporalio import activity

from activities.attempts import step
from activities.findings import Answered, Finding, meanings, read, stored
from activities.resources import Resources
from activities.together import Together
from analysis.memory import Recollection, Verdicts, recall
from analysis.prefilter import matched_keywords
from db import batches, decisions, memory, proposals, runs, settling
from db.settling import Found
from db.vectors import Vector
from logs import logger
from models.proposal import TaskProposal
from models.run import AnalysisRun
from workflows import contract

_log = logger("gleaner.worker")


class SavingActivities:
    def __init__(self, resources: Resources) -> None:
        self._database = resources.database
        self._saver = Saver(resources)

    @activity.defn(name="save_proposals")
    @step
    async def save_proposals(self, ref: contract.BatchRef) -> contract.BatchSettled:
        """See `Saver.save`."""
        return await self._saver.save(ref)

    @activity.defn(name="fail_batch")
    @step
    async def fail_batch(self, failure: contract.BatchFailure) -> contract.BatchSettled:
        """Record that a batch failed for good, with the reason that its last attempt left on the row."""
        async with runs.locked(self._database, failure.run_id) as held:
            failing = await batches.lock_unsettled(held, failure.batch_no)
            if failing is not None:
                await batches.fail(held, failing, failing.error or failure.error)
            return _settled(held.run, None if failing is None else 0)


class Saver:
    """Turns the answers of batches into proposals. Batches of one run that wait for it are saved together, since each
    needs the run's row for itself."""

    def __init__(self, resources: Resources) -> None:
        self._database = resources.database
        self._titles = meanings() if resources.settings.embeddings == "local" else None
        self._together: Together[UUID, Answered, contract.BatchSettled] = Together(self._save)

    async def save(self, ref: contract.BatchRef, answered: Answered | None = None) -> contract.BatchSettled:
        """Store the proposals of the batch's answer (by default the stored one), settle the batch, count and tell: all
        of it or nothing."""
        if answered is None:
            answered = await stored(self._database, ref)
        settled = await self._together.do(ref.run_id, answered)
        if settled.counted:
            _tell_saved(ref, settled.proposals)
        return settled

    async def _save(self, run_id: UUID, answered: Sequence[Answered]) -> list[contract.BatchSettled]:
        numbers = [one.batch_no for one in answered]
        # Two attempts may bring the same batch, where the server took the first for dead: it counts once.
        answered = list({one.batch_no: one for one in answered}.values())
        findings = await read(self._database, answered, self._titles)
        async with (
            self._database.transaction() as session,
            settling.holding(session, run_id, numbers) as (held, models),
        ):
            found = [
                Found(
                    one.batch_no,
                    [_row(held.run, one.batch_no, models[one.batch_no], *its) for its in enumerate(part, 1)],
                    [finding.vector for finding in part],
                )
                for one, part in zip(answered, findings, strict=True)
                if one.batch_no in models
            ]
            judged = {pair: same for one in answered for pair, same in one.judged.items()}
            # What approves itself is a task to the batches after it.
            for part in [[one] for one in found] if _rule(held.run) else [found] if found else []:
                await _settle(held, part, judged)
            pending = {one.batch_no: one.pending for one in found}
            return [_settled(held.run, pending.pop(number, None)) for number in numbers]


async def _settle(held: runs.LockedRun, found: Sequence[Found], judged: Verdicts) -> None:
    """Find out what is known of the proposals of these batches, and store them."""
    nearest = await _remind_all(held, found, judged)
    await settling.complete(held, found)
    for one in found:
        for proposal in one.proposals:
            if _approves_itself(held.run, proposal, nearest[proposal.id]):
                await decisions.approve_found(held, await proposals.get(held.session, proposal.id))


async def _remind_all(held: runs.LockedRun, found: Sequence[Found], judged: Verdicts) -> dict[UUID, float]:
    """Say on each proposal what is known of it already, and return how alike the likest is, 0 to 1. A batch knows those
    before it as if they had been stored."""
    every, vectors = [row for one in found for row in one.proposals], [it for one in found for it in one.vectors]
    known = iter(await memory.remembered(held.session, held.run, every, vectors) if every else [])
    nearest: dict[UUID, float] = {}
    before: list[tuple[TaskProposal, Vector | None]] = []
    for one in found:
        mine = [next(known) for _ in one.proposals]
        pairs = list(zip(one.proposals, one.vectors, strict=True))
        for at, (memories, (row, vector)) in enumerate(zip(mine, pairs, strict=True)):
            memories += memory.just_found(row.proposed_title, vector, before)[: memory.RESEMBLING]
            memories += memory.just_found(row.proposed_title, vector, pairs[:at])
        recollections = recall([row.proposed_title for row in one.proposals], mine, judged)
        for row, recollection in zip(one.proposals, recollections, strict=True):
            _remind(row, recollection)
            nearest[row.id] = recollection.nearest
        before += [pair for pair in pairs if pair[0].status == "pending"]
    return nearest


def _remind(proposal: TaskProposal, known: Recollection) -> None:
    proposal.similar_proposal_id, proposal.similar_task_id = known.proposal_id, known.task_id
    proposal.similarity_score, proposal.similarity_type = known.score, known.type
    if known.suppressed is not None:
        proposal.status, proposal.suppressed_reason = "suppressed", known.suppressed
    if known.comparison is not None:
        proposal.diff_summary = known.comparison.summary()
    if known.recommends is not None:
        proposal.llm_recommendation = known.recommends


def _approves_itself(run: AnalysisRun, proposal: TaskProposal, nearest: float) -> bool:
    """Whether the project's rule, as it was when the run began, needs no person for this. What the model itself takes
    for a duplicate or an update always does. `nearest` is how alike the likest that is known is, 0 to 1."""
    rule = _rule(run)
    return (
        rule is not None
        and proposal.status == "pending"
        and proposal.llm_recommendation == "new_task"
        and proposal.confidence >= rule["min_confidence"]
        and max(nearest, proposal.similarity_score or 0) < rule["max_similarity"]
    )


def _rule(run: AnalysisRun) -> dict[str, Any] | None:
    rule: dict[str, Any] | None = run.config_snapshot.get("auto_approve")
    return rule


def _row(run: AnalysisRun, batch_no: int, model: str | None, ordinal: int, finding: Finding) -> TaskProposal:
    snapshot, draft, project = run.config_snapshot, finding.draft, finding.project
    own = snapshot.get("project")
    keywords = project.keywords if own is None else matched_keywords(own["keywords"], finding.said)
    return TaskProposal(
        run_id=run.id,
        batch_no=batch_no,
        ordinal=ordinal,
        proposed_title=draft.title,
        proposed_description=draft.description,
        proposed_priority=draft.priority,
        proposed_category=draft.category,
        proposed_tags=list(draft.tags),
        proposed_assignee=draft.assignee,
        due_date=draft.due_date,
        confidence=draft.confidence,
        reasoning=draft.reasoning,
        llm_recommendation=draft.recommendation,
        source_message_ids=list(draft.source_message_ids),
        evidence=[{"message_id": str(message_id), "quote": quote} for message_id, quote in draft.evidence],
        message_count=draft.message_count,
        time_span_seconds=draft.time_span_seconds,
        project_config_id=run.project_config_id,
        proposed_project_id=project.project_id,
        project_classification_confidence=project.confidence,
        project_keywords_matched=list(keywords),
        model=model or snapshot["agent"]["model_name"],
        prompt_version=snapshot["prompt_version"],
    )


def _settled(run: AnalysisRun, proposals: int | None) -> contract.BatchSettled:
    """None stands for a batch that was settled before, or can't be any more."""
    return contract.BatchSettled(
        counted=proposals is not None,
        proposals=proposals or 0,
        proposals_pending=run.proposals_pending,
        batches_failed=run.batches_failed,
        concurrency=runs.concurrency(run),
    )


def _tell_saved(ref: contract.BatchRef, count: int) -> None:
    _log.info(f"Saved {count} proposals", run_id=str(ref.run_id), batch_no=ref.batch_no)
    _log.info(
        f"Batch {ref.batch_no} completed, created {count} proposals", run_id=str(ref.run_id), batch_no=ref.batch_no
    )
