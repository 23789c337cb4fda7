"""The one way to a Temporal server: a dev server, a cluster, or Temporal Cloud, by the settings alone."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import TLSConfig

from models.run import AnalysisRun
from settings import Settings
from workflows import contract

TASK_TIMEOUT = timedelta(seconds=5)
"""How long a step of a workflow may take a worker before another gets it. Twice what the longest history takes that is
replayed whole, and no longer than a run misses the calls that died with the same worker."""


async def connect(settings: Settings, *, lazy: bool = False) -> Client:
    """A client. With `lazy` it is there at once and connects at its first call.

    Raises RuntimeError where the server does not answer.
    """
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=settings.temporal_api_key.get_secret_value() if settings.temporal_api_key else None,
        tls=_tls(settings),
        data_converter=pydantic_data_converter,
        lazy=lazy,
    )


def _tls(settings: Settings) -> TLSConfig | bool:
    files = (settings.temporal_tls_ca_file, settings.temporal_tls_cert_file, settings.temporal_tls_key_file)
    if not any(files):
        return settings.temporal_tls
    ca, cert, key = (Path(name).read_bytes() if name else None for name in files)
    return TLSConfig(server_root_ca_cert=ca, client_cert=cert, client_private_key=key)


async def open_run(
    client: Client,
    run: AnalysisRun,
    conflict: WorkflowIDConflictPolicy,
    *,
    signal: str | None = None,
    arguments: Sequence[object] = (),
) -> None:
    """Open the run's workflow, with a signal where one is given; `conflict` says what to do where it is open already.

    Raises WorkflowAlreadyStartedError and RPCError.
    """
    window = f"{run.time_window_start:%Y-%m-%d %H:%M} to {run.time_window_end:%Y-%m-%d %H:%M}"
    await client.start_workflow(
        contract.WORKFLOW_TYPE,
        contract.RunInput(run_id=run.id),
        id=contract.workflow_id(run.id),
        task_queue=contract.QUEUE,
        id_conflict_policy=conflict,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        task_timeout=TASK_TIMEOUT,
        start_signal=signal,
        start_signal_args=arguments,
        static_summary=f"Analysis of {window}",
        search_attributes=_first_attributes(run),
    )


def _first_attributes(run: AnalysisRun) -> TypedSearchAttributes:
    project = run.config_snapshot.get("project") or {}
    values = {
        "RunStatus": run.status,
        "RunStage": run.stage or "queued",
        "ProjectName": project.get("name") or "",
        "TriggerType": run.trigger_type,
    }
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in values.items()]
    )
