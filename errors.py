"""Every error that Gleaner raises on purpose, and what each one means to whoever meets it.

GleanerError
├── Refusal                 the caller asked for what the rules forbid; nothing changed
│   ├── BadRequest          400  names something that does not exist or is switched off
│   ├── Unauthorized        401  no credentials, or unknown ones
│   ├── Forbidden           403  known, but not allowed to do this
│   ├── NotFound            404  no such thing
│   ├── Conflict            409  the state of the thing forbids it
│   ├── PreconditionFailed  412  the version that the caller saw is not the present one
│   ├── TooLarge            413  the body is over the bound
│   ├── Unprocessable       422  well formed, but a field's value can't be taken
│   └── PreconditionNeeded  428  the caller must name the version that it saw
├── Unavailable             503  a part that this needs does not answer; the same call may work later
└── ModelFailure            a call of a language model gave no usable answer (see MODEL_FAILURES)
"""

from dataclasses import dataclass
from typing import ClassVar, Literal


class GleanerError(Exception):
    """Root of the tree. `code` is snake_case and stable, `detail` is for a person, `extra` are further members
    of the problem document (RFC 9457)."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, code: str, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.extra = extra


class Refusal(GleanerError):
    status = 400
    title = "Refused"


class BadRequest(Refusal):
    title = "Bad request"


class Unauthorized(Refusal):
    status = 401
    title = "Unauthorized"


class Forbidden(Refusal):
    status = 403
    title = "Forbidden"


class NotFound(Refusal):
    status = 404
    title = "Not found"


class Conflict(Refusal):
    status = 409
    title = "Conflict"


class PreconditionFailed(Refusal):
    status = 412
    title = "Precondition failed"


class TooLarge(Refusal):
    status = 413
    title = "Content too large"


class Unprocessable(Refusal):
    status = 422
    title = "Unprocessable content"


class PreconditionNeeded(Refusal):
    status = 428
    title = "Precondition required"


class Unavailable(GleanerError):
    status = 503
    title = "Service unavailable"


FailureKind = Literal[
    "rate_limited",
    "quota_exhausted",
    "server_error",
    "timeout",
    "connection",
    "auth",
    "not_found",
    "context_too_long",
    "rejected",
    "bad_answer",
    "misconfigured",
]


@dataclass(frozen=True)
class FailureRule:
    """What a failed model call means for the batch and its run.

    `retried`: another attempt may help. `provider_wide`: says something about the provider, not about this batch.
    `ends_fresh_run`: a provider that never answered in the run and fails like this three times ends the run.
    `hint`: what an operator can do.
    """

    retried: bool
    provider_wide: bool
    ends_fresh_run: bool
    hint: str


MODEL_FAILURES: dict[FailureKind, FailureRule] = {
    "rate_limited": FailureRule(True, False, False, "The provider limits the rate; the batch waits by itself."),
    "quota_exhausted": FailureRule(
        True, True, True, "The account's quota is used up: raise it at the provider, then resume or retry the run."
    ),
    "server_error": FailureRule(
        True, True, False, "The provider answers with server errors: check its status page, then resume the run."
    ),
    "timeout": FailureRule(
        True, True, False, "The provider did not answer in time: check it, or raise its request_timeout_seconds."
    ),
    "connection": FailureRule(
        True, True, True, "The provider can't be reached: check base_url and that the server runs, then retry the run."
    ),
    "auth": FailureRule(
        True, True, True, "The provider refuses the key: set a valid api_key on the provider, then retry the run."
    ),
    "not_found": FailureRule(
        True, True, True, "The provider doesn't know this model or path: check model_name and base_url, then retry."
    ),
    "context_too_long": FailureRule(
        False, False, False, "The batch is longer than the model's context: lower max_batch_size or change the model."
    ),
    "rejected": FailureRule(
        False, False, False, "The provider rejects the request itself: check the model's name, settings and prompt."
    ),
    "bad_answer": FailureRule(
        False, False, False, "The model's answers don't fit the schema: try another output_mode or a stronger model."
    ),
    "misconfigured": FailureRule(
        True, True, True, "The provider's configuration is incomplete or switched off: mend it, then retry the run."
    ),
}


class ModelFailure(GleanerError):
    """A call of a language model gave no usable answer.

    `kind` is a key of MODEL_FAILURES, `retry_after` is in seconds where the provider named it. The usage of the
    failed requests is not on the error: the caller of the model door holds it (see `llm.calls.CallRecord`).
    """

    status = 502
    title = "Model call failed"

    def __init__(self, kind: FailureKind, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"model_{kind}", detail[:2000])
        self.kind = kind
        self.retry_after = retry_after

    @property
    def rule(self) -> FailureRule:
        return MODEL_FAILURES[self.kind]
