"""What an activity's failure says."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from workflows import contract


def describe(error: BaseException) -> contract.ErrorInfo:
    """The innermost cause that says something: an ActivityError's own text says nothing."""
    cause: BaseException = error
    while isinstance(cause, ActivityError) and cause.cause is not None:
        cause = cause.cause
    code = cause.type if isinstance(cause, ApplicationError) and cause.type else type(cause).__name__
    return contract.ErrorInfo(code=code, message=str(cause)[:500])
