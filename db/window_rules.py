"""Which messages are in a run's window, and which of them its prefilter drops, as parts of statements."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, bindparam
from sqlalchemy.types import ARRAY, Boolean, Text, Uuid
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis import prefilter
from analysis.asks import Passed, Places, shipped
from models.base import Timestamp
from models.run import AnalysisRun

SCORED_AT_ONCE = 2000

IN_WINDOW = """
    sent_at >= :start AND sent_at < :end
    AND (CAST(:sources AS uuid[]) IS NULL OR source_id = ANY (CAST(:sources AS uuid[])))
    AND (CAST(:channels AS text[]) IS NULL OR channel = ANY (CAST(:channels AS text[])))
    AND (CAST(:authors AS text[]) IS NULL OR author = ANY (CAST(:authors AS text[])))
"""

window_parameters = (
    bindparam("start", type_=Timestamp),
    bindparam("end", type_=Timestamp),
    bindparam("sources", type_=ARRAY(Uuid)),
    bindparam("channels", type_=ARRAY(Text)),
    bindparam("authors", type_=ARRAY(Text)),
)

# What costs little stands before what costs much: a search for a pattern looks at the whole text, and most texts are
# neither short nor hold a bracket or an @.
RULED_OUT = f"""
    CASE
        WHEN NOT :active THEN NULL
        WHEN is_bot THEN 'bot'
        WHEN is_system THEN 'system'
        WHEN strpos(body, '[') > 0 AND body ~* :placeholder THEN 'placeholder'
        WHEN body !~ :has_text THEN 'no_text'
        WHEN CAST(:keywords AS text) IS NULL AND char_length(body) >= {prefilter.SHORT} THEN NULL
        WHEN CAST(:keywords AS text) IS NOT NULL AND body ~* CAST(:keywords AS text) THEN NULL
        WHEN strpos(body, '@') > 0 AND body ~ :mention THEN NULL
        WHEN char_length(body) < {prefilter.SHORT} AND body !~ :two_words THEN 'too_short'
        WHEN char_length(body) < {prefilter.SHORT} AND body ~* :small_talk THEN 'small_talk'
        WHEN CAST(:keywords AS text) IS NOT NULL THEN 'no_keyword'
    END
"""

DROPPED = f"coalesce({RULED_OUT}, CASE WHEN id IN (SELECT unnest(CAST(:unlikely AS uuid[]))) THEN 'unlikely' END)"

rule_parameters = (
    bindparam("active", type_=Boolean),
    bindparam("placeholder", prefilter.PLACEHOLDER, type_=Text),
    bindparam("has_text", prefilter.HAS_TEXT, type_=Text),
    bindparam("mention", prefilter.MENTION, type_=Text),
    bindparam("two_words", prefilter.TWO_WORDS, type_=Text),
    bindparam("small_talk", prefilter.SMALL_TALK, type_=Text),
    bindparam("keywords", type_=Text),
)
judge_parameters = (*rule_parameters, bindparam("unlikely", type_=ARRAY(Uuid)))

# Postgres' own C.UTF-8 collation knows what a letter is in every script, whatever the database's locale.
BODY = "btrim(content, E' \\t\\r\\n') COLLATE pg_c_utf8 AS body"
# Otherwise the text would be trimmed anew wherever a rule looks at it.
TRIMMED_ONCE = "OFFSET 0"


def window_values(run: AnalysisRun) -> dict[str, object]:
    """The parameters of `IN_WINDOW`; an empty list of a filter means no filter."""
    sources = run.filters.get("source_ids")
    return {
        "start": run.time_window_start,
        "end": run.time_window_end,
        "sources": [UUID(str(source)) for source in sources] if sources else None,
        "channels": run.filters.get("channels") or None,
        "authors": run.filters.get("authors") or None,
    }


def rule_values(rules: prefilter.Rules) -> dict[str, object]:
    return {"active": rules.active, "keywords": rules.keywords}


async def find_unlikely(session: AsyncSession, query: TextClause, values: Mapping[str, object]) -> list[UUID]:
    """Those of the messages, which the rules let pass, that ask for nothing and promise nothing."""
    asks = shipped()
    found: list[UUID] = []
    places = Places()
    rows = await session.stream(query, values, execution_options={"yield_per": SCORED_AT_ONCE})
    async for part in rows.partitions(SCORED_AT_ONCE):
        passed = [_passed(row) for row in part]
        # The scoring is work for a processor: the thread lets heartbeats go on.
        found += await asyncio.to_thread(places.unlikely, passed, asks.may_ask)
    return found


def _passed(row: Row[Any]) -> Passed:
    channel = (row.chunk_no, row.source_id, row.channel)
    thread = (*channel, row.thread_id or row.external_id)
    return Passed(row.id, channel if row.thread_id in (None, row.external_id) else thread, thread, row.body)
