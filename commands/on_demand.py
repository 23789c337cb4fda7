"""Commands whose modules are imported when they are called.

The parts of the service start by `gleaner …`, too, and none should load what only another command needs.
"""

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


class CommandsOnDemand(TyperGroup):
    """A group of commands by name. `gleaner --help` takes what it says of each from its source, without running it."""

    places: ClassVar[Mapping[str, str]] = {}
    """`module:function` of each command, or `module:app` of a group of them, by name and in the order of the help."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer's own context is private
        """The names of all."""
        return list(self.places)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]  # as above
        """What the help shows of a command."""
        place = self.places.get(cmd_name)
        return None if place is None else TyperCommand(cmd_name, help=_told(place))

    def resolve_command(  # type: ignore[override]  # as above
        self, ctx: typer.Context, args: Sequence[str]
    ) -> tuple[str | None, TyperCommand | TyperGroup | None, list[str]]:
        """The command that is called, ready to run."""
        name, *rest = args
        if name not in self.places:
            # Among these it looks for what may have been meant.
            self.commands = {known: TyperCommand(known) for known in self.places}
            return super().resolve_command(ctx, list(args))  # type: ignore[return-value]  # as above
        return name, _loaded(name, self.places[name]), rest


def _loaded(name: str, place: str) -> TyperCommand | TyperGroup:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)  # type: ignore[return-value]  # as above


def _told(place: str) -> str:
    """The docstring of a function, or the `help=` of a group."""
    module, _, attribute = place.partition(":")
    for node in _source(module).body:
        match node:
            case ast.FunctionDef(name=name) if name == attribute:
                return ast.get_docstring(node) or ""
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(keywords=words)) if name == attribute:
                return next((ast.literal_eval(word.value) for word in words if word.arg == "help"), "")
    raise LookupError(f"{place} is no command.")


@cache
def _source(module: str) -> ast.Module:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).read_text())
