"""What a library raises, in our words."""

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai import exceptions as ai

from errors import FailureKind, ModelFailure
from llm.errors import MAX_DETAIL, as_failure, without_private


def http(status: int, body: object = None) -> ai.ModelHTTPError:
    return ai.ModelHTTPError(status, "some-model", body)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ai.ModelRequestTimeout("some-model", 3.0), "timeout"),
        (ai.ModelTimeoutError("some-model", "slow"), "timeout"),
        (ai.ModelConnectionError("some-model", "gone"), "connection"),
        (ai.ModelAPIError("some-model", "odd"), "server_error"),
        (ai.ModelHTTPError.for_category(ai.ModelOverloadedError, status_code=529, model_name="m"), "server_error"),
        (http(408), "timeout"),
        (http(413), "context_too_long"),
        (http(425), "server_error"),
        (http(409), "rejected"),
        (ai.ContentFilterError("filtered"), "rejected"),
        (ai.UnexpectedModelBehavior("odd"), "bad_answer"),
        (ai.UsageLimitExceeded("too many"), "bad_answer"),
        (ai.UserError("no key"), "misconfigured"),
        (httpx.ConnectTimeout("slow"), "timeout"),
        (httpx2.ReadTimeout("slow"), "timeout"),
        (httpx.ConnectError("refused"), "connection"),
        (httpx2.RemoteProtocolError("gone"), "connection"),
        (httpx2.InvalidURL("odd"), "misconfigured"),
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(), "connection"),
    ],
)
def test_each_error_has_its_kind(error: Exception, kind: FailureKind) -> None:
    failure = as_failure(error)

    assert failure is not None
    assert failure.kind == kind


def test_a_failure_stays_itself_and_a_bug_stays_a_bug() -> None:
    failure = ModelFailure("auth", "no")

    assert as_failure(failure) is failure
    assert as_failure(KeyError("bug")) is None


def test_a_complaint_holds_nothing_that_a_database_can_not() -> None:
    failure = as_failure(http(500, {"error": {"message": "bad \x00 byte and half \ud83d an emoji"}}))

    assert failure is not None
    assert failure.detail.encode()
    assert "\x00" not in failure.detail


def test_a_complaint_of_the_provider_is_passed_on() -> None:
    failure = as_failure(http(400, {"error": {"message": "temperature is not supported\nby this model"}}))

    assert failure is not None
    assert failure.detail == ("The provider answered with HTTP 400: temperature is not supported by this model")


@pytest.mark.parametrize(
    "body", [None, "text", {}, {"error": None}, {"error": {"message": 3}}, ["x"], {"error": "text"}]
)
def test_a_body_of_any_shape_is_taken(body: object) -> None:
    failure = as_failure(http(400, body))

    assert failure is not None
    assert failure.detail.startswith("The provider answered with HTTP 400")


@pytest.mark.parametrize(
    "key", ["sk-proj-abc123def456", "Bearer abcdef123456", "api_key: 0123456789", "a" * 40, "glnr_0123456789abcdef"]
)
def test_what_looks_like_a_key_is_blotted_out(key: str) -> None:
    said = without_private(f"Incorrect key {key} given", ())

    assert key not in said
    assert "[secret]" in said


@given(
    st.text(min_size=4, max_size=60).filter(lambda text: len(" ".join(text.split())) >= 4),
    st.text(max_size=40),
    st.text(max_size=40),
)
def test_a_complaint_that_repeats_what_was_asked_is_left_out(asked: str, before: str, after: str) -> None:
    assert without_private(f"{before} {asked} {after}", (asked,)) == ""


def test_a_piece_of_a_long_text_is_enough_and_short_words_are_not() -> None:
    asked = "please do not tell anybody that the launch is moved to June"

    assert without_private("cannot parse 'anybody that the launch' here", (asked,)) == ""
    assert without_private("the launch failed", (asked,)) == "the launch failed"
    assert without_private("cannot do it", ("do", "it", "")) == "cannot do it"


@given(st.text(max_size=5_000))
def test_a_detail_is_one_short_line(text: str) -> None:
    said = without_private(text, ())

    assert len(said) <= MAX_DETAIL
    assert len(said.splitlines()) <= 1
