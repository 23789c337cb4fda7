"""Commands that are imported when they are called."""

import sys
from importlib.metadata import version

import pytest

from cli import app
from commands.on_demand import CommandsOnDemand
from tests.support.service import output_of

HEAVY = ("sqlalchemy", "temporalio", "pydantic_ai", "fastapi", "numpy", "alembic")


async def test_help_names_every_command_and_says_what_it_does() -> None:
    printed = await output_of(["--help"], {"COLUMNS": "200"})
    for name, told in (
        ("dev", "Run the whole stack in the foreground until Ctrl-C"),
        ("keys", "API keys: create, list, revoke."),
        ("eval", "Run an extractor over labelled conversations"),
    ):
        [line] = [line for line in printed.splitlines() if f"│ {name} " in line]
        assert told in line


async def test_the_version_is_told() -> None:
    assert await output_of(["--version"]) == f"gleaner {version('gleaner')}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["runs", "--help"], ["watch", "--help"], ["export", "--help"]])
async def test_what_only_the_service_needs_is_not_loaded(arguments: list[str]) -> None:
    printed = await output_of(arguments, {"PYTHONPROFILEIMPORTTIME": "1"})
    assert "commands.on_demand" in printed
    assert [module for module in HEAVY if f" {module}\n" in printed] == []


async def test_a_wrong_name_is_told_with_those_that_it_may_have_meant() -> None:
    printed = await output_of(["exprot"], status=2)
    assert "No such command 'exprot'. Did you mean 'export'" in " ".join(printed.replace("│", " ").split())


def test_each_command_is_where_the_table_says() -> None:
    group = app.info.cls
    assert group is not None
    assert issubclass(group, CommandsOnDemand)
    for place in group.places.values():
        module, _, attribute = place.partition(":")
        __import__(module)
        assert hasattr(sys.modules[module], attribute)
