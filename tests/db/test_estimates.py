"""What a model used before, as estimates of runs to come rest on it."""

from analysis.estimates import Past, Work
from db import estimates
from db.engine import Database
from tests.support.builders import add_batches, add_messages, add_run

SNAPSHOT = {"provider": {"type": "openai"}, "agent": {"model_name": "stand-in"}}


async def test_what_a_model_used_is_told_by_its_batches_that_took_one_request(database: Database) -> None:
    run = await add_run(database, status="running", config_snapshot=SNAPSHOT, llm_requests=1)
    ids = await add_messages(database, "four", "eleven here")
    used = {"message_ids": ids, "input_tokens": 900, "output_tokens": 80, "llm_requests": 1}
    await add_batches(database, run.id, "completed", "completed", **used)
    retried = await add_run(database, status="running", day=1, config_snapshot=SNAPSHOT, llm_requests=1)
    await add_batches(database, retried.id, "completed", "failed", **used | {"llm_requests": 2})
    async with database.transaction() as session:
        past = await estimates.past_usage(session, "openai", "stand-in")
        assert await estimates.past_usage(session, "mistral", "stand-in") is None
        assert await estimates.past_usage(session, "openai", "another") is None
    assert past == Past(Work(batches=2, messages=4, characters=30), input_tokens=1800, output_tokens=160)
