"""What a batch's stored answer says, with all that takes time to find out about it: before anything is locked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from uuid import UUID

from analysis.projects import Candidate, Classification, classify, meaning
from analysis.prompts import refs_of
from analysis.proposals import AnswerInvalidError, ProposalDraft, parse_answer
from db import answers, batches, projects, runs
from db.engine import Database
from db.vectors import Vector
from errors import Conflict
from llm.embeddings import embed, embed_kept
from models.conversation import ChatMessage
from models.project import ProjectConfig
from models.run import AnalysisRun
from workflows import contract


@dataclass(frozen=True)
class Finding:
    """A task that a model found. `said` are the messages that it rests on, `vector` is what its title means, None where
    that isn't measured."""

    draft: ProposalDraft
    said: str
    vector: Vector | None
    project: Classification


async def read(database: Database, ref: contract.BatchRef, *, measuring: bool) -> list[Finding]:
    """The findings of the batch, in the order of its answer; 409 `answer_missing`, `answer_invalid`."""
    async with database.transaction() as session:
        run = await runs.get(session, ref.run_id)
        batch = await batches.get(session, ref.run_id, ref.batch_no)
        answer = await answers.stored(session, batch.fingerprint or "")
        if answer is None:
            raise Conflict("answer_missing", "The batch has no stored answer.")
        messages = await batches.messages(session, batch.message_ids)
        drafts = _drafts(run, answer.raw_answer, messages)
        known = await projects.active(session) if drafts else []
    vectors: Sequence[Vector | None] = [None] * len(drafts)
    meanings: Sequence[Vector | None] = [None] * len(known)
    if measuring:
        vectors = await embed([draft.title for draft in drafts])
        meanings = await embed_kept([meaning(one.name, one.description, one.keywords, one.components) for one in known])
    shares: list[dict[UUID, float]] = [{} for _ in drafts]
    if known:
        async with database.transaction() as session:
            shares = [{} if vector is None else await projects.neighbours(session, vector) for vector in vectors]
    texts = {message.id: message.text for message in messages}
    found = []
    for draft, vector, shared in zip(drafts, vectors, shares, strict=True):
        said = " ".join(texts[message_id] for message_id in draft.source_message_ids)
        candidates = [_candidate(one, vector, its, shared) for one, its in zip(known, meanings, strict=True)]
        project = classify(f"{draft.title}\n{said}", draft.project_name, candidates)
        found.append(Finding(draft, said, vector, project))
    return found


def _drafts(run: AnalysisRun, raw_answer: str, messages: list[ChatMessage]) -> list[ProposalDraft]:
    min_confidence = float(run.options.get("min_confidence", 0))
    try:
        drafts = parse_answer(raw_answer, refs_of(messages, run.config_snapshot["prompt_version"]), messages)
    except AnswerInvalidError as invalid:
        raise Conflict("answer_invalid", "The stored answer does not fit the present schema.") from invalid
    return [draft for draft in drafts if draft.confidence >= min_confidence]


def _candidate(
    project: ProjectConfig, vector: Vector | None, meaning: Vector | None, shares: Mapping[UUID, float]
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
