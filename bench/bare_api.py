"""`python -m bench.bare_api PORT DSN`: FastAPI and asyncpg alone, the yardstick of `bench.http_api`.

Gives the JSON of two of Gleaner's endpoints to anybody, with one query each.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException

from models.run_views import RunView

COLUMNS = ", ".join(name for name in RunView.model_fields if name not in ("workflow_url", "cost_estimate"))
RUN = f"""
    SELECT {COLUMNS}, trim_scale(cost_estimate)::text AS cost_estimate,
           'http://127.0.0.1:8233/namespaces/default/workflows/' || workflow_id AS workflow_url
    FROM analysis_runs
"""
Json = dict[str, Any]


def bare_app(dsn: str) -> FastAPI:
    pools: list[asyncpg.Pool[asyncpg.Record]] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn, min_size=10, max_size=10, init=_read_json) as pool:
            pools.append(pool)
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/api/v1/analysis/runs/{run_id}")
    async def get_run(run_id: UUID) -> Json:
        row = await pools[0].fetchrow(f"{RUN} WHERE id = $1", run_id)
        if row is None:
            raise HTTPException(404)
        return dict(row)

    @app.get("/api/v1/analysis/runs")
    async def list_runs(limit: int = 50) -> Json:
        query = f"SELECT *, (SELECT count(*) FROM analysis_runs) AS total FROM ({RUN}) AS run"
        rows = await pools[0].fetch(f"{query} ORDER BY created_at DESC, id DESC LIMIT $1", limit)
        items = [dict(row) for row in rows]
        totals = [item.pop("total") for item in items]
        return {"items": items, "next_cursor": None, "total": totals[0] if totals else 0}

    return app


async def _read_json(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def main(port: int, dsn: str) -> None:
    config = uvicorn.Config(
        bare_app(dsn), host="127.0.0.1", port=port, log_config=None, access_log=False, server_header=False
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
