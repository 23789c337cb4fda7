"""What went wrong with a model, from the words of each library into ours, once, at the border."""

import re

import httpx
from pydantic_ai import exceptions as ai

from errors import FailureKind, ModelFailure

_BY_TYPE: tuple[tuple[type[BaseException], FailureKind], ...] = (
    (ai.ModelQuotaExceededError, "quota_exhausted"),
    (ai.ModelRateLimitError, "rate_limited"),
    (ai.ModelContextWindowExceededError, "context_too_long"),
    (ai.ModelAuthenticationError, "auth"),
    (ai.ModelNotFoundError, "not_found"),
    (ai.ModelTimeoutError, "timeout"),
    (ai.ModelConnectionError, "connection"),
    (ai.ModelRequestRejectedError, "rejected"),
    (ai.ModelUnavailableError, "server_error"),
    (ai.ModelServerError, "server_error"),
    (ai.UnexpectedModelBehavior, "bad_answer"),
    (ai.OutputTokenLimitExceeded, "bad_answer"),
    (ai.UserError, "misconfigured"),
    (httpx.TimeoutException, "timeout"),
    (httpx.TransportError, "connection"),
    (TimeoutError, "timeout"),
    (OSError, "connection"),
)
"""The first that fits counts, so a subclass stands before its base."""

_BY_STATUS: dict[int, FailureKind] = {
    401: "auth",
    403: "auth",
    404: "not_found",
    408: "timeout",
    413: "context_too_long",
    429: "rate_limited",
}
_SECRET = re.compile(r"(?i)\b(sk|key|glnr|bearer|api[_-]?key)[-_ =:]*[\w*.-]{6,}")
MAX_DETAIL = 300


def as_failure(error: BaseException) -> ModelFailure | None:
    """The failure that an exception of a model call means; None for one that is a bug of ours."""
    if isinstance(error, ModelFailure):
        return error
    kind = _kind(error)
    if kind is None:
        return None
    retry_after = getattr(error, "retry_after", None)
    return ModelFailure(kind, _detail(error, kind), retry_after=retry_after)


def _kind(error: BaseException) -> FailureKind | None:
    for kind_of, kind in _BY_TYPE:
        if isinstance(error, kind_of):
            return kind
    if isinstance(error, ai.ModelHTTPError):
        status = error.status_code
        return _BY_STATUS.get(status) or ("server_error" if status >= 500 else "rejected")
    if isinstance(error, ai.ModelAPIError):
        return "connection"
    return None


def _detail(error: BaseException, kind: FailureKind) -> str:
    """What happened, without what was asked: a provider may repeat the prompt or the key in its complaint."""
    if isinstance(error, ai.ModelHTTPError):
        return f"{error.model_name} answered with HTTP {error.status_code}{_complaint(error.body)}."
    if kind == "bad_answer":
        return scrub(str(error))
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {scrub(str(cause))}" if str(cause) else type(cause).__name__


def _complaint(body: object) -> str:
    inner = body.get("error", body) if isinstance(body, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return f": {scrub(str(message))}" if message else ""


def scrub(text: str) -> str:
    """A text cut short, on one line, without anything that looks like a key."""
    return _SECRET.sub("[secret]", " ".join(text.split()))[:MAX_DETAIL]
