"""What went wrong with a model, from the words of each library into ours, once, at the border.

A provider may repeat the prompt or the key in its complaint. Neither gets through: a complaint that shares words with
what was asked is left out as a whole, and what looks like a key is blotted out.
"""

import re
from collections.abc import Iterable

import httpx
import httpx2
from pydantic_ai import exceptions as ai

from errors import FailureKind, ModelFailure
from models.texts import storable

_BY_TYPE: tuple[tuple[type[BaseException], FailureKind], ...] = (
    (ai.ModelQuotaExceededError, "quota_exhausted"),
    (ai.ModelRateLimitError, "rate_limited"),
    (ai.ModelContextWindowExceededError, "context_too_long"),
    (ai.ModelAuthenticationError, "auth"),
    (ai.ModelNotFoundError, "not_found"),
    (ai.ModelRequestTimeout, "timeout"),
    (ai.ModelTimeoutError, "timeout"),
    (ai.ModelConnectionError, "connection"),
    (ai.ModelRequestRejectedError, "rejected"),
    (ai.ModelUnavailableError, "server_error"),
    (ai.ModelServerError, "server_error"),
    (ai.ContentFilterError, "rejected"),
    (ai.UnexpectedModelBehavior, "bad_answer"),
    (ai.UsageLimitExceeded, "bad_answer"),
    (ai.UserError, "misconfigured"),
    (httpx.TimeoutException, "timeout"),
    (httpx2.TimeoutException, "timeout"),
    (httpx.TransportError, "connection"),
    (httpx2.TransportError, "connection"),
    (httpx.InvalidURL, "misconfigured"),
    (httpx2.InvalidURL, "misconfigured"),
    (TimeoutError, "timeout"),
    (OSError, "connection"),
)
"""The first that fits counts, so a subclass stands before its base."""

_BY_STATUS: dict[int, FailureKind] = {408: "timeout", 413: "context_too_long", 425: "server_error"}
"""Those that the library has no class for."""

_SDKS = frozenset({"anthropic", "boto3", "botocore", "google", "groq", "mistralai", "openai"})

_SECRET = re.compile(r"(?i)\b(?:sk|pk|key|glnr|bearer|token|api[_-]?key)[-_ =:]+[\w*.-]{6,}|\b[\w-]{32,}\b")
_SHARED_LENGTH = 16
MAX_DETAIL = 300
CUT_OFF = "The answer was cut off at its token limit: raise max_tokens or lower max_batch_size."


def as_failure(error: BaseException, *, private: Iterable[str] = ()) -> ModelFailure | None:
    """The failure that an exception of a model call means; None for one that is a bug of ours.

    `private` are the texts that were sent and the key: nothing of them is in the failure's detail.
    """
    if isinstance(error, ModelFailure):
        return error
    kind = _kind(error)
    if kind is None:
        return None
    retry_after = error.retry_after if isinstance(error, ai.ModelAPIError) else None
    return ModelFailure(kind, _detail(error, tuple(private)), retry_after=retry_after)


def _kind(error: BaseException) -> FailureKind | None:
    for kind_of, kind in _BY_TYPE:
        if isinstance(error, kind_of):
            return kind
    if isinstance(error, ai.ModelHTTPError):
        return _BY_STATUS.get(error.status_code, "rejected")
    if isinstance(error, ai.ModelAPIError):
        return "not_found" if _is_redirect(error.__cause__) else "server_error"
    # What an SDK raises before it sends anything, and the library lets through.
    return "misconfigured" if type(error).__module__.partition(".")[0] in _SDKS else None


def _is_redirect(error: BaseException | None) -> bool:
    """Redirects aren't followed: a public address could point inside. The library has no class for them."""
    status = getattr(error, "status_code", None)
    return isinstance(status, int) and 300 <= status < 400


def _detail(error: BaseException, private: tuple[str, ...]) -> str:
    match error:
        case ai.ModelHTTPError():
            return f"The provider answered with HTTP {error.status_code}{_complaint(error.body, private)}"
        case ai.ContentFilterError():
            return "The provider's content filter refused the batch."
        case ai.OutputTokenLimitExceeded():
            return CUT_OFF
        case ai.UnexpectedModelBehavior() | ai.UsageLimitExceeded():
            return "The model gave no answer that fits."
    return _said(_innermost(error), private)


def _innermost(error: BaseException) -> BaseException:
    """The cause at the end of the chain: the SDKs' own words are only "Connection error."."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _said(error: BaseException, private: tuple[str, ...]) -> str:
    said = without_private(str(error), private)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _complaint(body: object, private: tuple[str, ...]) -> str:
    inner = body.get("error", body) if isinstance(body, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else inner
    said = without_private(message, private) if isinstance(message, str) else ""
    return f": {said}" if said else "."


def without_private(text: str, private: Iterable[str]) -> str:
    """A text on one line, cut short, without anything that looks like a key; empty when it repeats what is private.

    To repeat is to hold a whole private text of four characters or more, or any 16 characters in a row of one.
    """
    line = _squashed(text)
    lowered = line.casefold()
    for secret in map(_squashed, private):
        if _shares(lowered, secret.casefold()):
            return ""
    return storable(_SECRET.sub("[secret]", line))[:MAX_DETAIL]


def _squashed(text: str) -> str:
    return " ".join(text.split())


def _shares(text: str, secret: str) -> bool:
    if len(secret) < _SHARED_LENGTH:
        return len(secret) >= 4 and secret in text
    return any(text[at : at + _SHARED_LENGTH] in secret for at in range(len(text) - _SHARED_LENGTH + 1))
