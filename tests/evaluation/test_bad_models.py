"""A model that answers badly is evaluated like any other; one that doesn't answer is an error."""

import json
from pathlib import Path
from typing import Any

from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.service import output_of

BATCHES = 20


async def evaluated(model: ModelServer, folder: Path, *options: str, status: int = 0) -> str:
    at = ["--provider", "openai", "--model", "stand-in", "--base-url", model.base_url, "--prefilter", "off"]
    return await output_of(["eval", "kept_back", *at, *options, "--output", str(folder / "eval.json")], status=status)


def figures(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "eval.json").read_text())[0])


async def test_a_model_whose_every_answer_is_bad_finds_nothing(tmp_path: Path) -> None:
    with ModelServer() as model:
        one_at_a_time = ("--concurrency", "1", "--request-timeout", "90")
        text = await evaluated(model, tmp_path, *one_at_a_time, "--max-tokens", "10", "--output-mode", "native")
        assert (model.stats().calls, model.stats().max_in_flight) == (BATCHES, 1)
    assert f"{BATCHES} batches, {BATCHES} failed" in text
    report = figures(tmp_path)
    assert report["figures"]["task recall"]["value"] == 0.0
    assert report["figures"]["precision"]["value"] is None


async def test_a_server_that_refuses_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with ModelServer() as model:
        model.script(Rule("unauthorized"))
        text = await evaluated(model, tmp_path, status=1)
    assert "model_auth" in text
    assert not (tmp_path / "eval.json").exists()
