"""How a run shows in the Temporal Web UI: its search attributes and its current details."""

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from workflows import contract

_RUN_STATUS = SearchAttributeKey.for_keyword("RunStatus")
_RUN_STAGE = SearchAttributeKey.for_keyword("RunStage")
_PROJECT_NAME = SearchAttributeKey.for_keyword("ProjectName")
_TRIGGER_TYPE = SearchAttributeKey.for_keyword("TriggerType")
_BATCHES_FAILED = SearchAttributeKey.for_int("BatchesFailed")
_PROPOSALS_PENDING = SearchAttributeKey.for_int("ProposalsPending")


class Display:
    """Shows a state, and writes to the history only what changed."""

    def __init__(self) -> None:
        self._shown: dict[str, object] = {}

    def show(self, state: contract.RunState) -> None:
        attributes: list[tuple[SearchAttributeUpdate[Any], str, object]] = [
            (_RUN_STATUS.value_set(state.status), "RunStatus", state.status),
            (_RUN_STAGE.value_set(state.stage or ""), "RunStage", state.stage or ""),
            (_PROJECT_NAME.value_set(state.project_name or ""), "ProjectName", state.project_name or ""),
            (_TRIGGER_TYPE.value_set(state.trigger_type or ""), "TriggerType", state.trigger_type or ""),
            (_BATCHES_FAILED.value_set(state.batches_failed), "BatchesFailed", state.batches_failed),
            (_PROPOSALS_PENDING.value_set(state.proposals_pending), "ProposalsPending", state.proposals_pending),
        ]
        changed = [update for update, name, value in attributes if self._shown.get(name) != value]
        if changed:
            workflow.upsert_search_attributes(changed)
            self._shown = {name: value for _, name, value in attributes}
        reason = f" ({state.paused_reason})" if state.paused_reason else ""
        workflow.set_current_details(
            f"**{state.status}**{reason}, stage {state.stage or '-'}, {state.batches_created} batches"
            f" ({state.batches_failed} failed), {state.proposals_pending} proposals pending"
        )
