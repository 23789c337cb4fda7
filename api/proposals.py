"""Proposals and the decisions on them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.auth import Reader, Reviewer
from api.dependencies import Api
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from db import decisions, proposals
from models.proposal_views import Approval, EvidenceMessage, ProposalDetail, ProposalView, Rejection, SimilarTask
from models.values import ProposalStatus

router = APIRouter(prefix="/proposals", tags=["proposals"], route_class=IdempotentRoute)


@router.get("")
async def list_proposals(
    _: Reader,
    resources: Api,
    page: PageQuery,
    run_id: UUID | None = None,
    status: ProposalStatus | None = None,
    min_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    project_config_id: UUID | None = None,
    sort: proposals.Sort = "confidence",
) -> Page[ProposalView]:
    """Proposals, the surest first (or, with `sort=created_at`, the newest)."""
    wanted = proposals.conditions(
        run_id=run_id, status=status, min_confidence=min_confidence, project_config_id=project_config_id
    )
    async with resources.database.transaction() as session:
        found = await proposals.listed(session, wanted, sort=sort, after=page.after(float, UUID), limit=page.limit + 1)
        total = await proposals.count(session, wanted)
    views = [ProposalView.model_validate(proposal) for proposal in found]
    return page.of(views, total, key=lambda view: (view.confidence, view.id))


@router.get("/{proposal_id}")
async def get_proposal(proposal_id: UUID, _: Reader, resources: Api) -> ProposalDetail:
    """The proposal with the messages it rests on; 404 `proposal_not_found`."""
    async with resources.database.transaction() as session:
        proposal = await proposals.get(session, proposal_id)
        messages = await proposals.evidence_messages(session, proposal)
        similar = await proposals.similar_tasks(session, proposal)
    view = ProposalView.model_validate(proposal)
    return ProposalDetail(
        **view.model_dump(),
        messages=[EvidenceMessage.model_validate(message) for message in messages],
        similar_tasks=[SimilarTask.model_validate(task) for task in similar],
    )


@router.post("/{proposal_id}/approve")
async def approve_proposal(
    proposal_id: UUID, actor: Reviewer, resources: Api, body: Approval | None = None
) -> ProposalView:
    """Approve: the proposal becomes a task, named by `task_id`. 404; 409 `already_reviewed`, `run_closed`."""
    notes = body.notes if body else None
    decided = await decisions.approve(resources.database, proposal_id, actor=actor, notes=notes)
    await resources.review_signals.decided(decided)
    return ProposalView.model_validate(decided.proposal)


@router.post("/{proposal_id}/reject")
async def reject_proposal(proposal_id: UUID, body: Rejection, actor: Reviewer, resources: Api) -> ProposalView:
    """Reject with a reason. 404; 409 `already_reviewed`, `run_closed`; 422 without a known reason."""
    decided = await decisions.reject(resources.database, proposal_id, actor=actor, reason=body.reason, notes=body.notes)
    await resources.review_signals.decided(decided)
    return ProposalView.model_validate(decided.proposal)
