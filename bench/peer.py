"""The peers: programs in a virtual environment of their own, told what to do over their standard input."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from bench.contender import Contender, Progress
from bench.ground import Field
from bench.loads import MESSAGES_A_BATCH, Window
from bench.nats import Nats, nats_binary, nats_server
from tests.support.service import ROOT
from tests.support.waiting import until

PYTHON = ROOT / ".venv-peers/bin/python"
LOG = ROOT / "bench/results/peers.log"
START_SECONDS = 120.0
_SCHEMA = ROOT / "bench/peers/schema.sql"


@dataclass(frozen=True)
class Peer:
    """`module` is started as the program. With a broker that is the side of the API, and TaskIQ's own command runs the
    worker; one that hears only what is said while it listens has the subject in `listens_to`."""

    name: str
    module: str
    after_a_kill: str
    broker: bool = False
    listens_to: str | None = None
    one_by_one: bool = False

    @asynccontextmanager
    async def serving(self, on: Field, concurrency: int) -> AsyncIterator["ServingPeer"]:
        await on.connection.execute(_SCHEMA.read_text())
        async with AsyncExitStack() as stack:
            nats = await stack.enter_async_context(nats_server()) if self.broker else None
            serving = ServingPeer(self, on, concurrency, nats)
            stack.push_async_callback(serving.stop)
            await serving.restart()
            yield serving


@dataclass
class ServingPeer:
    _peer: Peer
    _field: Field
    _concurrency: int
    _nats: Nats | None
    _programs: "dict[str, asyncio.subprocess.Process]" = field(default_factory=dict)

    async def make(self, window: Window, concurrency: int) -> UUID:
        """The concurrency is the worker's."""
        row = await self._field.look(
            "INSERT INTO peer_runs (window_start, window_end, batch_size) VALUES ($1, $2, $3) RETURNING id",
            *(window.start, window.end, MESSAGES_A_BATCH),
        )
        return UUID(str(row["id"]))

    async def start(self, run_id: UUID) -> None:
        stdin = self._programs["api" if self._peer.broker else "worker"].stdin
        assert stdin is not None
        stdin.write(f"{run_id}\n".encode())
        await stdin.drain()

    async def progress(self, run_id: UUID) -> Progress:
        row = await self._field.look(
            "SELECT count(settled_at) AS settled, min(completed_at) AS completed_at"
            " FROM peer_runs JOIN peer_batches ON run_id = id WHERE id = $1",
            run_id,
        )
        return Progress(row["settled"], row["completed_at"])

    async def asking_seconds(self, run_id: UUID) -> float | None:
        return None

    async def proposals(self, run_id: UUID) -> tuple[int, int]:
        row = await self._field.look(
            "SELECT count(*) AS rows, count(DISTINCT (batch_no, ordinal)) AS different"
            " FROM peer_proposals WHERE run_id = $1",
            run_id,
        )
        return row["rows"], row["different"]

    def processes(self) -> Mapping[str, int]:
        return {name: program.pid for name, program in self._programs.items()}

    async def kill(self) -> None:
        await self._end("worker")

    async def restart(self) -> None:
        if not self._peer.broker:
            await self._start_program("worker")
            return
        if "api" not in self._programs:
            await self._start_program("api")
        self._programs["worker"] = await self._spawn(
            *("-m", "taskiq", "worker", f"{self._peer.module}:broker", "--log-level", "WARNING"),
            *("--workers", "1", "--max-async-tasks", str(self._concurrency)),
        )
        nats, subject = self._nats, self._peer.listens_to
        if nats is not None and subject is not None:
            await until(lambda: nats.subscribed(subject))

    async def stop(self) -> None:
        for name in list(self._programs):
            await self._end(name)

    async def _start_program(self, part: str) -> None:
        program = self._programs[part] = await self._spawn("-m", self._peer.module)
        assert program.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            assert await program.stdout.readline() == b"ready\n", f"{self._peer.name} ended; see {LOG}"

    async def _spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        LOG.parent.mkdir(parents=True, exist_ok=True)
        with LOG.open("ab") as log:
            # In a session of its own, so that a program is killed with whatever it has started.
            return await asyncio.create_subprocess_exec(
                *(str(PYTHON), *arguments),
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self._environment()},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        return {
            "PEER_DATABASE_URL": self._field.dsn,
            "PEER_MODEL_URL": self._field.ground.model.base_url,
            "PEER_NATS_URL": self._nats.url if self._nats else "",
            "PEER_CONCURRENCY": str(self._concurrency),
        }

    async def _end(self, name: str) -> None:
        program = self._programs.pop(name)
        if program.returncode is None:
            os.killpg(program.pid, signal.SIGKILL)
        await program.wait()


PEERS = (
    Peer("asyncio script", "bench.peers.asyncio_script", "find out what is missing, and start it again"),
    Peer("DBOS, gathered steps", "bench.peers.dbos_gather", "nothing"),
    Peer("DBOS, queue", "bench.peers.dbos_queue", "nothing"),
    Peer("TaskIQ, JetStream", "bench.peers.taskiq_jetstream", "nothing", broker=True),
    Peer(
        "TaskIQ, core NATS (the original)",
        "bench.peers.taskiq_original",
        "notice it, and start the run again, from its beginning",
        broker=True,
        listens_to="taskiq_tasks",
        one_by_one=True,
    ),
)


def installed_peers() -> list[Contender]:
    """Those whose parts are there (`make bench` gets them)."""
    if not PYTHON.exists():
        return []
    return [peer for peer in PEERS if not peer.broker or nats_binary()]
