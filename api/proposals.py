"""Proposals and the decisions on them."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import ColumnElement

from api.auth import Caller, Reader, Reviewer
from api.dependencies import Api, NoBody, Resources
from api.exporting import DOCUMENT, Download, FormatQuery, download
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from api.problems import invalid_field
from api.schemas.proposal import MAX_BULK, Bulk, BulkFailure, BulkResult, Merge, ProposalPatch
from api.versions import GivenVersion, NeededVersion, show_version
from db import bulk, decisions, proposals
from db.decisions import Target
from db.reviewing import Decision
from models.proposal_views import Approval, EvidenceMessage, ProposalDetail, ProposalView, Rejection, SimilarTask
from models.values import ProposalStatus

router = APIRouter(prefix="/proposals", tags=["proposals"], route_class=IdempotentRoute)


async def _wanted(
    run_id: UUID | None = None,
    status: ProposalStatus | None = None,
    min_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    project_config_id: UUID | None = None,
    include: Literal["suppressed"] | None = None,
) -> list[ColumnElement[bool]]:
    return proposals.conditions(
        run_id=run_id,
        status=status,
        min_confidence=min_confidence,
        project_config_id=project_config_id,
        suppressed=include == "suppressed",
    )


ProposalsWanted = Annotated[list[ColumnElement[bool]], Depends(_wanted)]


@router.get("")
async def list_proposals(
    _: Reader, resources: Api, page: PageQuery, wanted: ProposalsWanted, sort: proposals.Sort = "confidence"
) -> Page[ProposalView]:
    """Proposals, the surest first (or, with `sort=created_at`, the newest). Those that say again what was said before
    are left out unless `include=suppressed` or `status=suppressed` asks for them."""
    async with resources.database.transaction() as session:
        found = await proposals.listed(session, wanted, sort=sort, after=page.after(float, UUID), limit=page.limit + 1)
        total = await proposals.count(session, wanted)
    views = [ProposalView.model_validate(proposal) for proposal in found]
    return page.of(views, total, key=lambda view: (view.confidence, view.id))


@router.get("/export", response_class=Response, responses={200: DOCUMENT})
async def export_proposals(
    _: Reader, resources: Api, wanted: ProposalsWanted, format_: FormatQuery = "csv"
) -> Download:
    """All proposals of a list as one document, run by run, as they were at one moment."""
    return await download(resources.database, "proposals", wanted, format_)


@router.get("/{proposal_id}")
async def get_proposal(proposal_id: UUID, _: Reader, resources: Api, response: Response) -> ProposalDetail:
    """The proposal with the messages it rests on; 404 `proposal_not_found`."""
    async with resources.database.transaction() as session:
        proposal = await proposals.get(session, proposal_id)
        messages = await proposals.evidence_messages(session, proposal)
        similar = await proposals.similar_tasks(session, proposal)
    view = ProposalView.model_validate(proposal)
    show_version(response, view.version)
    return ProposalDetail(
        **view.model_dump(),
        messages=[EvidenceMessage.model_validate(message) for message in messages],
        similar_tasks=[SimilarTask.model_validate(task) for task in similar],
    )


@router.patch("/{proposal_id}")
async def edit_proposal(
    proposal_id: UUID, body: ProposalPatch, actor: Reviewer, version: NeededVersion, resources: Api, response: Response
) -> ProposalView:
    """Change the fields named of a pending proposal.

    400 `unknown_project`; 404 `proposal_not_found`; 409 `already_reviewed`, `run_closed`; 412 `version_conflict`; 428
    `version_required`.
    """
    edited = await decisions.edit(resources.database, proposal_id, body.named(), actor=actor, version=version)
    show_version(response, edited.proposal.version)
    return ProposalView.model_validate(edited.proposal)


@router.post("/bulk")
async def decide_in_bulk(body: Bulk, actor: Reviewer, resources: Api) -> BulkResult:
    """Take one action on many proposals, each by itself: what is refused is listed with its code, the rest is done.

    422 also `too_many_matched` where the filter finds more than 10,000.
    """
    ids = list(dict.fromkeys(body.ids)) if body.ids is not None else await _matching(resources, body)
    outcome = await bulk.decide(ids, lambda proposal_id: _decide(resources, body, proposal_id, actor))
    if not body.dry_run:
        for decision in outcome.last.values():
            await resources.review_signals.decided(decision)
    failed = [BulkFailure.model_validate(failure) for failure in outcome.failed]
    return BulkResult(matched=len(ids), done=0 if body.dry_run else outcome.done, failed=failed)


async def _matching(resources: Resources, body: Bulk) -> list[UUID]:
    assert body.filter is not None  # its validator: either ids or a filter
    wanted = proposals.conditions(**body.filter.model_dump())
    if body.filter.status is None:
        wanted.append(proposals.decided() if body.action == "reopen" else proposals.pending())
    async with resources.database.transaction() as session:
        ids = await bulk.matching(session, wanted, MAX_BULK + 1)
    if len(ids) > MAX_BULK:
        raise invalid_field("filter", "too_many_matched", f"The filter finds more than {MAX_BULK} proposals.")
    return ids


async def _decide(resources: Resources, body: Bulk, proposal_id: UUID, actor: Caller) -> Decision:
    database = resources.database.rehearsal() if body.dry_run else resources.database
    match body.action:
        case "approve":
            return await decisions.approve(database, proposal_id, actor=actor, notes=body.notes)
        case "reject":
            assert body.reason is not None  # its validator: a reason goes with reject
            return await decisions.reject(database, proposal_id, actor=actor, reason=body.reason, notes=body.notes)
        case "merge":
            target = Target(body.target_task_id, body.target_proposal_id)
            return await decisions.merge(database, proposal_id, target, actor=actor, notes=body.notes)
        case "reopen":
            return await decisions.reopen(database, proposal_id, actor=actor)


@router.post("/{proposal_id}/approve")
async def approve_proposal(
    proposal_id: UUID, version: GivenVersion, actor: Reviewer, resources: Api, body: Approval | None = None
) -> ProposalView:
    """Approve: the proposal becomes a task, named by `task_id`.

    404; 409 `already_reviewed`, `run_closed`; 412 `version_conflict` where `If-Match` is given.
    """
    notes = body.notes if body else None
    decided = await decisions.approve(resources.database, proposal_id, actor=actor, notes=notes, version=version)
    return await _told(resources, decided)


@router.post("/{proposal_id}/reject")
async def reject_proposal(
    proposal_id: UUID, body: Rejection, version: GivenVersion, actor: Reviewer, resources: Api
) -> ProposalView:
    """Reject with a reason. Refuses like an approval; 422 without a known reason."""
    decided = await decisions.reject(
        resources.database, proposal_id, actor=actor, reason=body.reason, notes=body.notes, version=version
    )
    return await _told(resources, decided)


@router.post("/{proposal_id}/merge")
async def merge_proposal(
    proposal_id: UUID, body: Merge, version: GivenVersion, actor: Reviewer, resources: Api
) -> ProposalView:
    """Merge into a task or another proposal, which gets the evidence; a task then counts one more report.

    Refuses like an approval; 404 also `merge_target_not_found`; 422 `merge_target_invalid` for a task that is
    withdrawn, a proposal that is rejected or merged, and the proposal itself.
    """
    target = Target(body.target_task_id, body.target_proposal_id)
    decided = await decisions.merge(
        resources.database, proposal_id, target, actor=actor, notes=body.notes, version=version
    )
    return await _told(resources, decided)


@router.post("/{proposal_id}/reopen")
async def reopen_proposal(
    proposal_id: UUID, version: GivenVersion, actor: Reviewer, resources: Api, _: NoBody
) -> ProposalView:
    """Undo the decision. The task of an approved proposal becomes `withdrawn` and comes back with a new approval; a
    merged proposal takes its evidence back.

    404; 409 `not_reviewed`, `run_closed`, `task_linked` (something was merged into the task, or a tracker has it); 412.
    """
    decided = await decisions.reopen(resources.database, proposal_id, actor=actor, version=version)
    return await _told(resources, decided)


async def _told(resources: Resources, decision: Decision) -> ProposalView:
    """The decided proposal, after the run's workflow was told."""
    await resources.review_signals.decided(decision)
    return ProposalView.model_validate(decision.proposal)
