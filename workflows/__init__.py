"""Deterministic orchestration only: what happens in a run, in which order; everything it does is an activity."""

from temporalio import workflow

# Each workflow runs in a sandbox of its own, into which `from workflows import contract` would load the contract again:
# 30 ms for every execution, and classes that pydantic has to work out anew.
with workflow.unsafe.imports_passed_through():
    import workflows.contract  # noqa: F401
