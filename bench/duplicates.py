"""`python -m bench.duplicates`: how long it takes to find what resembles a new proposal among many tasks.

The titles are put together from words, and a title's vector is the mean of its words' vectors and a little noise, since
to embed 100,000 titles takes minutes.
"""

import random
import statistics
import time
from collections.abc import Sequence

import numpy as np
from sqlalchemy import text

from bench.alone import run_alone
from bench.rows import Row
from bench.stage import percentile, stage
from db import memory
from db.engine import Database
from db.vectors import Vector, written
from llm.embeddings import embed
from models.proposal import TaskProposal
from models.run import AnalysisRun
from tests.support.builders import add_run

VERBS = ("fix", "update", "write", "review", "remove", "add", "order", "call", "check", "deploy", "test", "plan")
THINGS = (
    *("login", "checkout", "invoice", "parser", "database", "server", "website", "brochure", "contract", "report"),
    *("budget", "dashboard", "backup", "printer", "certificate", "pipeline", "calendar", "meeting", "payroll"),
    *("newsletter", "inventory", "search", "profile", "upload", "export", "import", "webhook"),
)
DETAILS = (
    *("staging", "production", "mobile", "customer", "supplier", "german", "english", "weekly", "monthly", "broken"),
    *("slow", "missing", "duplicate", "old", "new", "large", "small", "internal", "external", "first", "second"),
    *("annual", "legal", "nightly", "public", "hidden", "regional", "manual", "automatic"),
)
P95_MILLISECONDS = 25.0
TASKS = 100_000
QUICK_TASKS = 2_000
SEARCHES = 400


def _title(draw: random.Random) -> str:
    verb, (first, second), details = draw.choice(VERBS), draw.sample(THINGS, 2), draw.sample(DETAILS, 2)
    return f"{verb.capitalize()} the {details[0]} {first} for the {details[1]} {second}"


async def _vectors(titles: Sequence[str]) -> np.ndarray:
    known = sorted({word for title in titles for word in title.lower().split()})
    place = {word: at for at, word in enumerate(known)}
    of_words = np.array(await embed(known), dtype=np.float32)
    found = np.array([of_words[[place[word] for word in title.lower().split()]].mean(axis=0) for title in titles])
    found += np.random.default_rng(1).normal(scale=0.01, size=found.shape)
    normalised: np.ndarray = found / np.linalg.norm(found, axis=1, keepdims=True)
    return normalised


async def _fill(database: Database, count: int) -> float:
    """So many tasks with their vectors; the seconds that the vectors took."""
    draw = random.Random(1)
    titles = [_title(draw) for _ in range(count)]
    vectors = await _vectors(titles)
    async with database.transaction() as session:
        query = "INSERT INTO tasks (title) SELECT * FROM unnest(CAST(:titles AS text[]))"
        await session.execute(text(query), {"titles": titles})
        rows = (await session.execute(text("SELECT id, title FROM tasks"))).all()
        by_title = dict(zip(titles, vectors, strict=True))
        begin = time.monotonic()
        for start in range(0, count, 5000):
            part = rows[start : start + 5000]
            values = {"ids": [row.id for row in part], "vectors": [written(by_title[row.title]) for row in part]}
            query = (
                "INSERT INTO task_vectors SELECT id, title, vector::halfvec"
                " FROM unnest(CAST(:ids AS uuid[]), CAST(:vectors AS text[])) AS given (task_id, vector)"
                " JOIN tasks ON id = task_id"
            )
            await session.execute(text(query), values)
    return time.monotonic() - begin


async def _searches(
    database: Database, run: AnalysisRun, titles: Sequence[str], vectors: Sequence[Vector | None]
) -> list[float]:
    """The milliseconds of each search, by meaning or, without vectors, by words."""
    milliseconds = []
    for title, vector in zip(titles, vectors, strict=True):
        new = TaskProposal(run_id=run.id, batch_no=1, ordinal=1, proposed_title=title, confidence=0.5, message_count=1)
        async with database.transaction() as session:
            begin = time.monotonic()
            await memory.remembered(session, run, [new], [vector])
            milliseconds.append(1000 * (time.monotonic() - begin))
    return milliseconds


async def measure(*, quick: bool = False) -> Row:
    count = QUICK_TASKS if quick else TASKS
    async with stage() as servers, Database(servers.dsn) as database:
        run = await add_run(database)
        filled = await _fill(database, count)
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("VACUUM ANALYZE"))
        draw = random.Random(2)
        titles = [_title(draw) for _ in range(SEARCHES)]
        milliseconds = await _searches(database, run, titles, (await _vectors(titles)).tolist())
        by_words = await _searches(database, run, titles, [None] * SEARCHES)
    p95 = percentile(milliseconds, 95)
    return Row(
        number=11,
        what=f"what resembles a new proposal among {count:,} tasks",
        measured=f"p95 {p95:.1f} ms",
        goal=f"p95 ≤ {P95_MILLISECONDS:.0f} ms",
        met=p95 <= P95_MILLISECONDS,
        figures={
            "tasks": count,
            "searches": SEARCHES,
            "median_ms": round(statistics.median(milliseconds), 1),
            "p95_ms": round(p95, 1),
            "max_ms": round(max(milliseconds), 1),
            "by_words_median_ms": round(statistics.median(by_words), 1),
            "by_words_p95_ms": round(percentile(by_words, 95), 1),
            "vector_insert_ms": round(1000 * filled / count, 2),
        },
    )


if __name__ == "__main__":
    run_alone("duplicates", measure)
