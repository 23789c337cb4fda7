"""Deterministic orchestration only: what happens in a run, in which order; everything it does is an activity."""

from temporalio import workflow

# Each workflow is run in a sandbox of its own, into which `from workflows import contract` would load the contract again:
# 40 ms for every run, and classes that pydantic has to work out anew.
with workflow.unsafe.imports_passed_through():
    import workflows.contract  # noqa: F401
