"""Turn stored answers into proposals, one transaction a batch."""

from collections.abc import Sequence

from temporalio import activity

from activities.attempts import step
from activities.findings import Finding, read
from activities.resources import Resources
from analysis.memory import Recollection, recall
from analysis.prefilter import matched_keywords
from db import batches, decisions, memory, proposals, runs, vectors
from logs import logger
from models.proposal import TaskProposal
from models.run import AnalysisBatch, AnalysisRun
from workflows import contract

_log = logger("gleaner.worker")


class SavingActivities:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._database = resources.database

    @activity.defn(name="save_proposals")
    @step
    async def save_proposals(self, ref: contract.BatchRef) -> contract.BatchSettled:
        """See `save_batch`."""
        return await save_batch(self._resources, ref)

    @activity.defn(name="fail_batch")
    @step
    async def fail_batch(self, failure: contract.BatchFailure) -> contract.BatchSettled:
        """Record that a batch failed for good, with the reason that its last attempt left on the row."""
        async with runs.locked(self._database, failure.run_id) as held:
            settling = await batches.lock_unsettled(held, failure.batch_no)
            if settling is not None:
                await batches.settle(held, settling, error=settling.error or failure.error)
            return _settled(held.run, settling, 0)


async def save_batch(resources: Resources, ref: contract.BatchRef) -> contract.BatchSettled:
    """Store the proposals of the batch's answer, settle the batch, count and tell: all of it or nothing."""
    database = resources.database
    findings = await read(database, ref, measuring=resources.settings.embeddings == "local")
    async with database.transaction() as session, runs.holding(session, ref.run_id) as held:
        settling = await batches.lock_unsettled(held, ref.batch_no)
        found = [] if settling is None else await _found(held, settling, findings)
        count = sum(proposal.status == "pending" for proposal, _ in found)
        if settling is not None:
            proposals.add(session, [proposal for proposal, _ in found])
            await batches.settle(held, settling, proposals=count, suppressed=len(found) - count)
            await vectors.store(session, [proposal for proposal, _ in found], [one.vector for one in findings])
            for proposal, known in found:
                if _approves_itself(held.run, proposal, known.nearest):
                    await decisions.approve_found(held, proposal)
        settled = _settled(held.run, settling, count)
    if settled.counted:
        _tell_saved(ref, count)
    return settled


async def _found(
    held: runs.LockedRun, batch: AnalysisBatch, findings: Sequence[Finding]
) -> list[tuple[TaskProposal, Recollection]]:
    """The rows of the findings, each with what is known of it already."""
    rows = [_row(held.run, batch, ordinal, finding) for ordinal, finding in enumerate(findings, 1)]
    if not rows:
        return []
    known = await memory.remembered(held.session, held.run, rows, [finding.vector for finding in findings])
    found = list(zip(rows, recall([row.proposed_title for row in rows], known), strict=True))
    for proposal, recollection in found:
        _remind(proposal, recollection)
    return found


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
    rule = run.config_snapshot.get("auto_approve")
    return (
        rule is not None
        and proposal.status == "pending"
        and proposal.llm_recommendation == "new_task"
        and proposal.confidence >= rule["min_confidence"]
        and max(nearest, proposal.similarity_score or 0) < rule["max_similarity"]
    )


def _row(run: AnalysisRun, batch: AnalysisBatch, ordinal: int, finding: Finding) -> TaskProposal:
    snapshot, draft, project = run.config_snapshot, finding.draft, finding.project
    own = snapshot.get("project")
    keywords = project.keywords if own is None else matched_keywords(own["keywords"], finding.said)
    return TaskProposal(
        run_id=run.id,
        batch_no=batch.batch_no,
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
        model=batch.model or snapshot["agent"]["model_name"],
        prompt_version=snapshot["prompt_version"],
    )


def _settled(run: AnalysisRun, batch: AnalysisBatch | None, proposals: int) -> contract.BatchSettled:
    return contract.BatchSettled(
        counted=batch is not None,
        proposals=proposals if batch is not None else 0,
        proposals_pending=run.proposals_pending,
        batches_failed=run.batches_failed,
    )


def _tell_saved(ref: contract.BatchRef, count: int) -> None:
    _log.info(f"Saved {count} proposals", run_id=str(ref.run_id), batch_no=ref.batch_no)
    _log.info(
        f"Batch {ref.batch_no} completed, created {count} proposals", run_id=str(ref.run_id), batch_no=ref.batch_no
    )
