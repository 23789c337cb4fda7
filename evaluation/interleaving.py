"""Conversations that go on at once: two in one channel, without threads, as people talk where nobody uses any."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from evaluation.talks import Talk
from models.conversation import IncomingMessage

ROUNDS = 6
"""How often every conversation is put beside another one."""
PACES = (10, 20, 40, 60, 90)
"""Seconds between two messages."""


def interleaved(talks: Sequence[Talk], start: datetime) -> Iterator[Talk]:
    """Each of the conversations some times beside another one: in one channel, by the clock, an hour a pair."""
    # Drawn with a fixed seed: the set is the same every time.
    chance = random.Random(11)  # noqa: S311 - a sample, no secret
    for number in range(ROUNDS):
        drawn = chance.sample(talks, len(talks))
        for at, pair in enumerate(zip(drawn[::2], drawn[1::2], strict=False)):
            begin = start + timedelta(days=7 * number, hours=at)
            yield from _side_by_side(pair, f"interleaved-{number}-{at}", begin, chance)


def _side_by_side(pair: Sequence[Talk], channel: str, begin: datetime, chance: random.Random) -> Iterator[Talk]:
    turns = [at for at, talk in enumerate(pair) for _ in talk.messages]
    chance.shuffle(turns)
    waiting = [iter(talk.messages) for talk in pair]
    said: list[list[IncomingMessage]] = [[] for _ in pair]
    clock = begin
    for at in turns:
        clock += timedelta(seconds=chance.choice(PACES))
        message = next(waiting[at])
        name = _name(pair[at], message.external_id)
        said[at].append(replace(message, channel=channel, external_id=name, sent_at=clock, thread_id=None))
    for talk, messages in zip(pair, said, strict=True):
        tasks = tuple(
            replace(task, channel=channel, evidence=tuple(_name(talk, one) for one in task.evidence))
            for task in talk.tasks
        )
        yield replace(talk, id=f"{channel}:{talk.id}", messages=tuple(messages), tasks=tasks)


def _name(talk: Talk, external_id: str) -> str:
    """Ids are those of a channel, and two conversations are in it."""
    return f"{talk.id}:{external_id}"
