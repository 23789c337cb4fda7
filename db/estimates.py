"""What estimates of runs to come rest on."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.estimates import Past, Work
from models.values import ProviderType

PAST_LOOKED_AT = 200
"""Runs among which those of a model are looked for."""
PAST_RUNS = 5
PAST_BATCHES = 100

_past = text(
    f"""
    WITH latest AS MATERIALIZED (
        SELECT * FROM analysis_runs ORDER BY created_at DESC, id DESC LIMIT {PAST_LOOKED_AT}
    ), recent AS (
        SELECT id FROM latest
        WHERE config_snapshot #>> '{{agent,model_name}}' = :model AND config_snapshot #>> '{{provider,type}}' = :type
          AND llm_requests > 0
        ORDER BY created_at DESC LIMIT {PAST_RUNS}
    ), asked AS (
        SELECT batch.message_ids, batch.input_tokens, batch.output_tokens
        FROM recent JOIN analysis_batches AS batch ON batch.run_id = recent.id
        WHERE batch.status = 'completed' AND batch.llm_requests = 1 AND batch.input_tokens > 0
        ORDER BY batch.run_id DESC, batch.batch_no LIMIT {PAST_BATCHES}
    )
    SELECT count(*), coalesce(sum(cardinality(message_ids)), 0), coalesce(sum(said.characters), 0),
           coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0)
    FROM asked CROSS JOIN LATERAL (
        SELECT sum(char_length(content)) AS characters FROM messages WHERE id = ANY (asked.message_ids)
    ) AS said
    """  # noqa: S608 - the parts put in are constants of the code
)


async def past_usage(session: AsyncSession, provider_type: ProviderType, model: str) -> Past | None:
    """What the model's latest batches used, each in one request; None where it has settled none."""
    row = (await session.execute(_past, {"model": model, "type": provider_type})).one()
    count, messages, characters, input_tokens, output_tokens = map(int, row)
    return Past(Work(count, messages, characters), input_tokens, output_tokens) if count else None
