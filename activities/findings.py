"""What the answers of batches say, with all that takes time to find out about it: before anything is locked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import TypeAlias
from uuid import UUID

from activities.questions import Question
from activities.together import Together
from analysis.answers import AnswerInvalidError
from analysis.memory import Verdicts
from analysis.projects import Candidate, Classification, classify, meaning
from analysis.prompts import refs_of
from analysis.proposals import ProposalDraft, parse_answer
from db import answers, batches, projects
from db.batches import Asked
from db.engine import Database
from db.vectors import Vector
from errors import Conflict
from llm.embeddings import embed, embed_kept
from models.conversation import ChatMessage
from workflows import contract


@dataclass(frozen=True)
class Answered:
    """A batch's answer, read: what is sure enough of it, in its order. `wants_verdicts`: the run's model is to be asked
    about doubtful duplicates; `judged` is what it said."""

    batch_no: int
    messages: list[ChatMessage]
    drafts: list[ProposalDraft]
    wants_verdicts: bool = False
    judged: Verdicts = field(default_factory=dict)

    @staticmethod
    def of(question: Question, drafts: Sequence[ProposalDraft]) -> "Answered":
        return _answered(question.ref, question.batch, drafts)


@dataclass(frozen=True)
class Finding:
    """A task that a model found. `said` are the messages that it rests on, `vector` is what its title means, None where
    that isn't measured."""

    draft: ProposalDraft
    said: str
    vector: Vector | None
    project: Classification


Meanings: TypeAlias = Together[None, str, Vector]
"""Titles of several saves are measured together: one alone takes twice as long as one of eight."""


def meanings() -> Meanings:
    return Together(lambda _, titles: embed(titles))


async def stored(database: Database, ref: contract.BatchRef) -> Answered:
    """The batch's answer as it was stored; 409 `answer_missing`, `answer_invalid`."""
    async with database.connection() as connection:
        batch = await batches.asked(connection, ref.run_id, ref.batch_no)
        answer = await answers.stored(connection, batch.fingerprint or "")
    if answer is None:
        raise Conflict("answer_missing", "The batch has no stored answer.")
    try:
        drafts = parse_answer(
            answer.raw_answer, refs_of(batch.messages, batch.snapshot["prompt_version"]), batch.messages
        )
    except AnswerInvalidError as invalid:
        raise Conflict("answer_invalid", "The stored answer does not fit the present schema.") from invalid
    return _answered(ref, batch, drafts)


async def read(database: Database, answered: Sequence[Answered], titles: Meanings | None) -> list[list[Finding]]:
    """The findings of each batch; without `titles` what they mean isn't measured."""
    drafts = [draft for one in answered for draft in one.drafts]
    if not drafts:
        return [[] for _ in answered]
    vectors: Sequence[Vector | None] = [None] * len(drafts)
    if titles is not None:
        vectors = await asyncio.gather(*(titles.do(None, draft.title) for draft in drafts))
    async with database.connection() as connection:
        around = await projects.around(connection, vectors)
    meant: Sequence[Vector | None] = [None] * len(around.projects)
    if titles is not None:
        meant = await embed_kept(
            [meaning(one.name, one.description, one.keywords, one.components) for one in around.projects]
        )
    texts = {message.id: message.text for one in answered for message in one.messages}
    found = []
    for draft, vector, shared in zip(drafts, vectors, around.shares, strict=True):
        said = " ".join(texts[message_id] for message_id in draft.source_message_ids)
        candidates = [_candidate(one, vector, its, shared) for one, its in zip(around.projects, meant, strict=True)]
        project = classify(f"{draft.title}\n{said}", draft.project_name, candidates)
        found.append(Finding(draft, said, vector, project))
    in_order = iter(found)
    return [[next(in_order) for _ in one.drafts] for one in answered]


def _answered(ref: contract.BatchRef, batch: Asked, drafts: Sequence[ProposalDraft]) -> Answered:
    least = float(batch.options.get("min_confidence", 0))
    sure = [draft for draft in drafts if draft.confidence >= least]
    return Answered(ref.batch_no, batch.messages, sure, batch.options.get("duplicates") == "model")


def _candidate(
    project: projects.ActiveProject, vector: Vector | None, meaning: Vector | None, shares: Mapping[UUID, float]
) -> Candidate:
    return Candidate(
        project.id,
        project.name,
        project.keywords,
        list(project.glossary),
        project.components,
        nearness=None if vector is None or meaning is None else sum(map(mul, vector, meaning)),
        share=shares.get(project.id, 0.0),
    )
