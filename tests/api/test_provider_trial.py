"""A provider is tried out over the API, by a worker."""

import asyncio
from collections.abc import Iterator

import pytest

from models.base import new_id
from settings import Settings
from tests.support.api import ServedApi, serve_api
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import working


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


async def _provider(api: ServedApi, model: ModelServer) -> str:
    body = {"name": "Stand-in", "type": "openai", "base_url": model.base_url, "api_key": "sk-test-0123456789abcdef"}
    return str((await api.post("/providers", body, status=201))["id"])


async def test_a_provider_that_answers_is_connected(api: ServedApi, settings: Settings, model: ModelServer) -> None:
    provider = await _provider(api, model)
    agent = {"name": "Finder", "provider_id": provider, "model_name": "stand-in", "system_prompt": ""}
    await api.post("/agents", agent, status=201)
    async with working(settings):
        tried = await api.post(f"/providers/{provider}/validate")
    assert (tried["validation_status"], tried["validation_error"]) == ("connected", None)
    assert tried["validated_at"] is not None
    assert model.stats().calls == 1


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Rule("unauthorized"), "api_key"),
        (Rule("unknown_model"), "model_name"),
        (Rule("server_error"), "status page"),
        (Rule("prose"), "output_mode"),
    ],
    ids=lambda value: value.do if isinstance(value, Rule) else "",
)
async def test_a_provider_that_does_not_says_what_to_do_and_never_its_key(
    api: ServedApi, settings: Settings, model: ModelServer, trouble: Rule, words: str
) -> None:
    model.script(trouble)
    provider = await _provider(api, model)
    async with working(settings):
        tried = await api.post(f"/providers/{provider}/validate", {"model_name": "stand-in"})
        assert tried["validation_status"] == "error"
        assert words in tried["validation_error"]
        assert "sk-test" not in tried["validation_error"]
        model.script()
        mended = await api.post(f"/providers/{provider}/validate", {"model_name": "stand-in"})
    assert mended["validation_status"] == "connected"


async def test_a_trial_says_nothing_of_a_provider_that_was_changed_meanwhile(
    api: ServedApi, settings: Settings, model: ModelServer
) -> None:
    provider = await _provider(api, model)
    model.hold()
    async with working(settings):
        trial = asyncio.create_task(api.http.post(f"/providers/{provider}/validate", json={"model_name": "stand-in"}))
        await until(lambda: asyncio.sleep(0, model.stats().calls), lambda calls: calls == 1)
        await api.patch(f"/providers/{provider}", {"api_key": "sk-test-another-0123456789"})
        model.release()
        assert (await trial).is_success
    shown = await api.get(f"/providers/{provider}")
    assert (shown["validation_status"], shown["validated_at"]) == ("pending", None)


async def test_without_an_agent_the_model_has_to_be_named(
    api: ServedApi, settings: Settings, model: ModelServer
) -> None:
    provider = await _provider(api, model)
    async with working(settings):
        tried = await api.post(f"/providers/{provider}/validate")
    assert "model_name" in tried["validation_error"]
    assert model.stats().calls == 0


async def test_without_a_worker_the_trial_waits_for_one(
    api: ServedApi, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.providers.TRIAL_SECONDS", 0.2)
    provider = (await api.post("/providers", {"name": "Rules", "type": "offline"}, status=201))["id"]
    waiting = await api.post(f"/providers/{provider}/validate", {"model_name": "rules"}, status=202)
    assert waiting["validation_status"] == "validating"
    monkeypatch.undo()
    async with working(settings):
        tried = await api.post(f"/providers/{provider}/validate", {"model_name": "rules"})
    assert tried["validation_status"] == "connected"


async def test_an_unknown_provider_is_404(api: ServedApi) -> None:
    assert (await api.post(f"/providers/{new_id()}/validate", status=404))["code"] == "provider_not_found"


async def test_without_temporal_the_provider_stays_as_it_was(settings: Settings, model: ModelServer) -> None:
    async with serve_api(settings.model_copy(update={"temporal_address": "127.0.0.1:9"})) as api:
        provider = await _provider(api, model)
        assert (await api.post(f"/providers/{provider}/validate", status=503))["code"] == "temporal_unavailable"
        assert (await api.get(f"/providers/{provider}"))["validation_status"] == "pending"
