"""The offline extractor on the project's own cases, by whole runs: what CI watches."""

import json
from pathlib import Path
from typing import Any

import pytest
from bpe_openai._bindings import tokenizer_for_encoding

from commands.evaluating import FOUND
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer
from tests.support.service import output_of

BOUNDS = {
    "cases": {"task recall": 0.9, "precision": 0.75, "owner accuracy": 0.85, "due date found": 0.85},
    "kept_back": {"task recall": 0.85, "precision": 0.7, "owner accuracy": 0.85, "due date found": 0.8},
    "interleaved_kept_back": {"task recall": 0.8, "precision": 0.7, "owner accuracy": 0.75, "due date found": 0.7},
    "sample": {"task recall": 0.9, "precision": 0.65, "owner accuracy": 0.9, "due date found": 0.7},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("eval")


@pytest.fixture(scope="module")
async def printed(folder: Path) -> str:
    return await output_of(["eval", *BOUNDS, "--output", str(folder / "eval.json")])


@pytest.fixture(scope="module")
def reports(printed: str, folder: Path) -> dict[str, Any]:
    assert printed
    return {one["data_set"]: one for one in json.loads((folder / "eval.json").read_text())}


@pytest.mark.parametrize("data_set", BOUNDS)
def test_the_offline_extractor_is_as_good_as_it_was(reports: dict[str, Any], data_set: str) -> None:
    figures = {name: figure["value"] for name, figure in reports[data_set]["figures"].items()}
    below = {name: figures[name] for name, bound in BOUNDS[data_set].items() if figures[name] < bound}
    assert below == {}
    assert figures["evidence validity"] >= (0.8 if data_set.startswith("interleaved") else 1.0)
    assert figures["prefilter recall"] == 1.0
    assert figures["proposals per task"] <= 1.5
    assert 0.85 <= reports[data_set]["estimate"] <= 1.15


def test_no_bot_and_no_injection_makes_a_task(reports: dict[str, Any]) -> None:
    for data_set in ("cases", "kept_back"):
        for category in ("bot message", "injection attempt"):
            found, _, proposals = reports[data_set]["by_category"][category]
            assert proposals == found


def test_the_report_is_markdown_for_a_person(printed: str) -> None:
    assert "## cases, rules-1" in printed
    assert "| task recall | 0." in printed
    assert "| other languages | 3 | 3 |" in printed


@pytest.mark.skipif(not FOUND.is_dir(), reason=f"{FOUND} is not there")
async def test_half_of_a_meeting_s_actions_are_found_with_few_others(folder: Path) -> None:
    await output_of(["eval", "meetings", "--prefilter", "off", "--output", str(folder / "meetings.json")])
    [report] = json.loads((folder / "meetings.json").read_text())
    assert report["figures"]["task recall"]["value"] >= 0.5
    assert report["figures"]["proposals per task"]["value"] <= 6


async def test_a_preview_says_what_a_model_then_counts_and_costs(folder: Path) -> None:
    with ModelServer() as model:
        model.count = tokenizer_for_encoding("o200k_base").count  # as the provider does, of all that it was sent
        at = ["--provider", "openai", "--model", "gpt-4.1-mini", "--base-url", model.base_url]
        at += ["--api-key-variable", "EVAL_KEY", "--output", str(folder / "priced.json")]
        text = await output_of(["eval", "cases", "kept_back", *at], {"EVAL_KEY": "sk-test"})
    cases, kept_back = json.loads((folder / "priced.json").read_text())
    for report in (cases, kept_back):
        assert 0.85 <= report["estimate"] <= 1.15
        assert report["cost_per_found_usd"] * report["figures"]["task recall"]["value"] > 0
    # How long a model's answers are is known from its first run on.
    assert 0.85 <= kept_back["cost_estimate"] <= 1.15
    assert f"{kept_back['cost_estimate']:.0%} of the cost." in text


async def test_another_model_is_compared_its_failed_batches_left_out(folder: Path, reports: dict[str, Any]) -> None:
    assert reports
    with ModelServer() as model:
        model.script(Rule("rejected", calls=(1, 2, 3)))
        at = ["--provider", "openai", "--model", "stand-in", "--base-url", model.base_url, "--prefilter", "off"]
        at += ["--api-key-variable", "EVAL_KEY", "--compare", str(folder / "eval.json")]
        at += ["--prompt-version", "2", "--output", str(folder / "other.json")]
        text = await output_of(["eval", "kept_back", *at], {"EVAL_KEY": "sk-test"})
        assert model.stats().calls == 20
    [report] = json.loads((folder / "other.json").read_text())
    assert (report["batches"], report["batches_failed"]) == (20, 3)
    assert report["figures"]["proposals per task"]["value"] > 0
    assert "20 batches, 3 failed" in text
    assert "## kept_back, stand-in" in text
    assert "## kept_back: rules-1 → stand-in" in text
    assert "worse: kb-" in text
