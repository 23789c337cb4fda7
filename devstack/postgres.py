"""The embedded PostgreSQL server, with the role and database `gleaner`."""

import hashlib
import locale
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import Signals

import asyncpg

from devstack import processes
from devstack.account import Account, choose_account
from devstack.child import Child, Command, tail
from devstack.data_dir import DataDir, write_private
from devstack.errors import StackError
from devstack.ports import HOST
from devstack.watchdog import Watchdog

_NAME = "gleaner"
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
_CONNECT_SECONDS = 3.0


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server on 127.0.0.1 whose superuser is `gleaner`."""

    data_dir: DataDir
    account: Account
    port: int
    password: str
    fsync: bool

    @property
    def dsn(self) -> str:
        return self._dsn(_NAME)

    def command(self, environment: Mapping[str, str]) -> Command:
        """Clears away what a killed server left, then says how to start one. Only for the holder of the data dir."""
        self._clear_stale()
        settings = {**_SETTINGS, "port": str(self.port), "cluster_name": self._cluster}
        if not self.fsync:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Command(
            "postgres",
            self.account.program("postgres", "-D", str(self._cluster_dir), *options),
            environment,
            self.data_dir.log("postgres"),
            directory=self.account.home,
            stop_signal=Signals.SIGINT,
            stop_seconds=20.0,
            orphan_signal=Signals.SIGQUIT,
            strays=partial(processes.cluster_members, self._cluster),
        )

    async def set_up(self, environment: Mapping[str, str], watchdog: Watchdog) -> None:
        """Make the database cluster if there is none. Raises StackError `postgres_setup_failed`."""
        if self._cluster_dir.exists():
            return
        draft = self.account.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.account.home / "password"
        write_private(password_file, self.password)
        self.account.give(password_file)
        try:
            child = await Child.start(self._initdb(draft, password_file, environment), watchdog)
            status = await _finished(child)
        finally:
            password_file.unlink()
        if status != 0:
            log = self.data_dir.log("postgres")
            raise StackError("postgres_setup_failed", f"initdb failed (exit {status}); the end of {log}:\n{tail(log)}")
        draft.rename(self._cluster_dir)

    async def answers(self) -> bool:
        """Whether the server answers a query in the database `gleaner`, which is made if it isn't there."""
        try:
            try:
                await self._run(_NAME, "SELECT 1")
            except asyncpg.InvalidCatalogNameError:
                await self._run("postgres", f"CREATE DATABASE {_NAME}")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    @property
    def _cluster_dir(self) -> Path:
        return self.account.home / "data"

    @property
    def _cluster(self) -> str:
        """Marks every process of this server in its title."""
        return f"gleaner-{hashlib.sha256(str(self.data_dir.root).encode()).hexdigest()[:12]}"

    def _dsn(self, database: str) -> str:
        return f"postgresql://{_NAME}:{self.password}@{HOST}:{self.port}/{database}"

    async def _run(self, database: str, statement: str) -> None:
        connection = await asyncpg.connect(self._dsn(database), timeout=_CONNECT_SECONDS)
        try:
            await connection.execute(statement, timeout=_CONNECT_SECONDS)
        finally:
            connection.terminate()

    def _initdb(self, draft: Path, password_file: Path, environment: Mapping[str, str]) -> Command:
        options = [
            *("--pgdata", str(draft), "--username", _NAME, "--pwfile", str(password_file)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-instructions"),
            # The same order and case rules on every machine; pg_trgm asks the C library what a letter is.
            *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--lc-ctype", _character_type()),
            *([] if self.fsync else ["--no-sync"]),
        ]
        argv = self.account.program("initdb", *options)
        return Command("initdb", argv, environment, self.data_dir.log("postgres"), directory=self.account.home)

    def _clear_stale(self) -> None:
        """Its number may belong to another process by now, for which the new server would take it as running."""
        if processes.known() and not processes.cluster_members(self._cluster):
            (self._cluster_dir / "postmaster.pid").unlink(missing_ok=True)


def prepare_postgres(data_dir: DataDir, port: int, *, fsync: bool = True) -> Postgres:
    """The server of a data directory, not yet set up or started."""
    return Postgres(data_dir, choose_account(data_dir.root), port, data_dir.secret("postgres-password"), fsync)


async def _finished(child: Child) -> int:
    try:
        return await child.wait()
    finally:
        await child.stop()


def _character_type() -> str:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "en_US.UTF-8"):
            if _has_locale(name):
                return name
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C"


def _has_locale(name: str) -> bool:
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    return True
