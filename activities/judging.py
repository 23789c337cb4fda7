"""Asking the run's model about doubtful duplicates, where the run wants it: before anything is locked."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from activities.asking import PLACE_POLL_SECONDS, Asking, Counting
from activities.findings import Answered
from activities.places import Places
from activities.questions import Question, read_question
from activities.resources import Resources
from activities.spending import BudgetSpentError
from analysis.answers import AnswerInvalidError
from analysis.memory import doubtful
from analysis.same_work import MOST_PAIRS, Pair, PairsPrompt, fingerprint, parse, render
from db import answers, memory, runs
from errors import ModelFailure
from llm.embeddings import embed
from logs import logger
from models.base import new_id, now
from models.proposal import TaskProposal
from workflows import contract

_log = logger("gleaner.worker")


class Judging:
    """One question a batch at most. What the model can't be asked, or doesn't answer, stays as doubtful as it was: a
    duplicate that is only possible never holds a batch up."""

    def __init__(self, resources: Resources, counting: Counting, places: Places) -> None:
        self._resources = resources
        self._database = resources.database
        self._counting = counting
        self._places = places
        self._measuring = resources.settings.embeddings == "local"
        self._retention = timedelta(days=resources.settings.answer_retention_days)

    async def judged(self, ref: contract.BatchRef, answered: Answered) -> Mapping[Pair, bool]:
        """Of each doubtful pair of titles whether both mean the same work."""
        async with self._database.connection() as connection:
            question = await read_question(connection, ref, probing=False)
        # The offline model is the rules that found the pairs doubtful.
        if question is None or question.settled or question.provider.type == "offline":
            return {}
        pairs = await self._doubtful(ref, answered)
        if not pairs:
            return {}
        prompt = render(pairs)
        question = replace(question, fingerprint=fingerprint(pairs, question.batch.snapshot))
        known = await self._known(question, prompt)
        return known if known is not None else await self._asked(question, prompt)

    async def _doubtful(self, ref: contract.BatchRef, answered: Answered) -> list[Pair]:
        titles = [draft.title for draft in answered.drafts]
        vectors = await embed(titles) if self._measuring else [None] * len(titles)
        rows = [
            TaskProposal(
                run_id=ref.run_id,
                batch_no=ref.batch_no,
                ordinal=ordinal,
                proposed_title=draft.title,
                confidence=draft.confidence,
                source_message_ids=list(draft.source_message_ids),
                message_count=draft.message_count,
            )
            for ordinal, draft in enumerate(answered.drafts, 1)
        ]
        async with self._database.transaction() as session:
            run = await runs.get(session, ref.run_id)
            known = await memory.remembered(session, run, rows, vectors)
        pairs = list(zip(rows, vectors, strict=True))
        for at, (row, vector) in enumerate(pairs):
            known[at] += memory.just_found(row.proposed_title, vector, pairs[:at])
        return doubtful(titles, known)[:MOST_PAIRS]

    async def _known(self, question: Question, prompt: PairsPrompt) -> Mapping[Pair, bool] | None:
        """What was paid for before."""
        since = now() - self._retention if question.use_cache else None
        async with self._database.connection() as connection:
            stored = await answers.reusable(connection, question.fingerprint, question.ref.run_id, since=since)
        try:
            return None if stored is None else parse(stored.raw_answer, prompt.refs)
        except AnswerInvalidError:
            return None

    async def _asked(self, question: Question, prompt: PairsPrompt) -> Mapping[Pair, bool]:
        asking = Asking(self._resources, question.ref, self._counting, self._places, holder=new_id())
        try:
            while not await asking.claim(question):  # noqa: ASYNC110 - another process has no event to wait for
                await asyncio.sleep(PLACE_POLL_SECONDS)
            # Only who has the place looks: another attempt may have been answered until then.
            known = await self._known(question, prompt)
            if known is not None:
                return known
            async with asking.renewing():
                return await asking.ask_about(question, prompt) or {}
        except (BudgetSpentError, ModelFailure) as error:
            _log.warning("Doubtful duplicates stay so", batch_no=question.ref.batch_no, error=type(error).__name__)
            return {}
        finally:
            await asking.release()
