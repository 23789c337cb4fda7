"""Turn stored answers into proposals, one transaction a batch."""

from collections.abc import Sequence

from temporalio import activity

from activities.attempts import step
from activities.resources import Resources
from analysis.memory import Recollection, recall
from analysis.prefilter import matched_keywords
from analysis.prompts import refs_of
from analysis.proposals import AnswerInvalidError, ProposalDraft, parse_answer
from db import answers, batches, decisions, memory, proposals, runs
from db import vectors as title_vectors
from db.vectors import Vector
from errors import Conflict
from llm.embeddings import embed
from logs import logger
from models.conversation import ChatMessage
from models.proposal import TaskProposal
from models.run import AnalysisBatch, AnalysisRun
from workflows import contract

_log = logger("gleaner.worker")


class SavingActivities:
    def __init__(self, resources: Resources) -> None:
        self._database = resources.database
        self._settings = resources.settings

    @activity.defn(name="save_proposals")
    @step
    async def save_proposals(self, ref: contract.BatchRef) -> contract.BatchSettled:
        """Store the proposals of the batch's answer, settle the batch, count and tell: all of it or nothing."""
        drafts, messages = await self._answered(ref)
        vectors = await embed([draft.title for draft in drafts]) if self._settings.embeddings == "local" else []
        async with self._database.transaction() as session, runs.holding(session, ref.run_id) as held:
            settling = await batches.lock_unsettled(held, ref.batch_no)
            found = [] if settling is None else await _found(held, settling, drafts, messages, vectors)
            count = sum(proposal.status == "pending" for proposal, _ in found)
            if settling is not None:
                proposals.add(session, [proposal for proposal, _ in found])
                await batches.settle(held, settling, proposals=count, suppressed=len(found) - count)
                await title_vectors.store(session, [proposal for proposal, _ in found], vectors)
                for proposal, known in found:
                    if _approves_itself(held.run, proposal, known.nearest):
                        await decisions.approve_found(held, proposal)
            settled = _settled(held.run, settling, count)
        if settled.counted:
            _tell_saved(ref, count)
        return settled

    async def _answered(self, ref: contract.BatchRef) -> tuple[list[ProposalDraft], list[ChatMessage]]:
        """What the model found in the batch, and the messages that it was shown."""
        async with self._database.transaction() as session:
            run = await runs.get(session, ref.run_id)
            batch = await batches.get(session, ref.run_id, ref.batch_no)
            answer = await answers.stored(session, batch.fingerprint or "")
            if answer is None:
                raise Conflict("answer_missing", "The batch has no stored answer.")
            messages = await batches.messages(session, batch.message_ids)
            return _drafts(answer.raw_answer, messages, float(run.options.get("min_confidence", 0))), messages

    @activity.defn(name="fail_batch")
    @step
    async def fail_batch(self, failure: contract.BatchFailure) -> contract.BatchSettled:
        """Record that a batch failed for good, with the reason that its last attempt left on the row."""
        async with runs.locked(self._database, failure.run_id) as held:
            settling = await batches.lock_unsettled(held, failure.batch_no)
            if settling is not None:
                await batches.settle(held, settling, error=settling.error or failure.error)
            return _settled(held.run, settling, 0)


def _drafts(raw_answer: str, messages: list[ChatMessage], min_confidence: float) -> list[ProposalDraft]:
    try:
        drafts = parse_answer(raw_answer, refs_of(messages), messages)
    except AnswerInvalidError as invalid:
        raise Conflict("answer_invalid", "The stored answer does not fit the present schema.") from invalid
    return [draft for draft in drafts if draft.confidence >= min_confidence]


async def _found(
    held: runs.LockedRun,
    batch: AnalysisBatch,
    drafts: Sequence[ProposalDraft],
    messages: Sequence[ChatMessage],
    vectors: Sequence[Vector],
) -> list[tuple[TaskProposal, Recollection]]:
    """The rows of the drafts, each with what earlier runs know of it."""
    texts = {message.id: message.text for message in messages}
    rows = [
        _row(held.run, batch, ordinal, draft, " ".join(texts[i] for i in draft.source_message_ids))
        for ordinal, draft in enumerate(drafts, 1)
    ]
    if not rows:
        return []
    known = await memory.remembered(held.session, held.run, rows, vectors)
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


def _row(run: AnalysisRun, batch: AnalysisBatch, ordinal: int, draft: ProposalDraft, evidence: str) -> TaskProposal:
    snapshot = run.config_snapshot
    keywords = (snapshot.get("project") or {}).get("keywords", [])
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
        project_keywords_matched=matched_keywords(keywords, evidence),
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
