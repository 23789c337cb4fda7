"""Telling apart conversations that go on at once in a channel: by thread, reply, name, speaker, words and time.

Threads and replies say where a message belongs. Of any other message each conversation of the moment is asked how well
it fits, and it goes to the best one unless none fits. The weights were found by a search on pairs of the project's own
`cases`, put side by side in one channel, and judged on those of `kept_back` (docs/quality.md, "Conversations at once").
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.conversation import ChatMessage

REACH = 24
"""Messages of the channel after which a conversation is over."""
_RECENT = 8
"""Messages of a conversation whose speakers and words count."""
_ASKING = 4
"""Messages after which it no longer counts that one named somebody."""
_FEWEST_SPEAKERS = 3
"""With fewer two conversations at once are rare."""
_RARE = 4
"""Messages that share a word which still tells something."""
_STEM = 5
_FIRST = 3
"""Messages of a batch that may need what was said before."""

_SPEAKS_IN_IT = 2.71
_SPEAKS_ELSEWHERE = -0.25
_IS_NEW = -1.01
_ADDRESSES_IT = 5.2
_NAMES_IT = 2.6
_ADDRESSES_ANOTHER = -2.5
_WAS_NAMED = 3.64
_ANOTHER_WAS_NAMED = -1.64
_SHARES_A_WORD = 1.47
_SHARES_A_COMMON_WORD = 0.44
_WORDS_THAT_COUNT = 2
_ANSWERS = 0.91
_ANSWERS_AT_ONCE = 0.6
_WAS_ASKED = 0.3
_MESSAGE_BETWEEN = -0.05
_MINUTE_BETWEEN = -0.03
_LEAST = -1.61
"""What the fit has to come to. It is lower than the search had it: to part what belongs together costs more than to
leave together what doesn't, and in meetings, where many speak of one thing, it happened more often."""
_LEAST_OF_AN_OPENING = -0.05

_WORD = re.compile(r"\w+(?:[-'’.]\w+)*")
_ADDRESS = re.compile(
    r"(?:(?:hi|hey|hello|ok|okay|yes|no|and|so|thanks|thank you)[\s,]+)?@?(?P<name>[\w.\-]+)\s?[:,]", re.IGNORECASE
)
_ANSWER = re.compile(
    r"""
    (?:ok(?:ay)?|yes|yep|yeah|yup|nope|nah|no|sure|done|fine|great|thanks?|thank\ you|thx|will\ do|on\ it|got\ it|right|
    agreed|true|exactly|i\ can|i\ could|i\ will|i'll|i'd|i'm\ on|me\ too|same|good|nice|perfect|cool|lol|haha|hm+|ah|oh|
    can't|cannot|sorry|not\ |what\ does|which|why|what\ for|and\ |but\ |then\ |also\ |or\ |so\ |it\ |that|this|they|
    he\ |she\ |because|ack|np|absolutely|of\ course|happy\ to|let\ me|leave\ it|так|добре|ні|дякую|ja|nein|oui|non|\d)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_OPENING = re.compile(
    r"(?:hi|hello|hey|(?:good )?morning|@(?:here|channel|all|team)|can (?:someone|anyone|somebody|anybody)|"
    r"(?:does|has|is) any|fyi|heads up|reminder|quick question|btw|by the way|unrelated)\b",
    re.IGNORECASE,
)
_EVERYDAY = frozenset(
    _WORD.findall(
        """
        about after again all also and any are been before but can can't could day did does doesn't doing don't done
        for from get going got had has have her here him his how i'll i'm into it's its just know let look make may
        might more most must need needs not now off okay one only our out over please see should some still take than
        thank thanks that that's the their them then there these they think this those to today tomorrow too very want
        was we'll we're week were what when where which who why will with would yes you your you're
        """
    )
)


@dataclass(frozen=True, slots=True)
class _Read:
    """What tells where a message belongs. `addressed` and `named` are authors, `words` are stems."""

    author: str
    sent_at: datetime
    addressed: str | None
    named: frozenset[str]
    words: frozenset[str]
    is_answer: bool
    is_opening: bool
    is_question: bool


def conversations(messages: Sequence[ChatMessage]) -> list[list[ChatMessage]]:
    """The conversations of one channel's messages, in the order in which they began; the messages of each by time."""
    ordered = sorted(messages, key=lambda message: message.sent_at)
    return [[ordered[at] for at in talk] for talk in _told_apart(ordered)]


def leading(
    earlier: Sequence[ChatMessage], messages: Sequence[ChatMessage], *, time_gap_seconds: float
) -> list[ChatMessage]:
    """What a batch goes on from: the `earlier` messages that were said before all of it without a longer gap, where
    one of its first messages answers, names somebody of them, or is by somebody whom they name. Else nothing, so that
    no tokens are spent on what isn't needed."""
    begin = min((message.sent_at for message in messages), default=None)
    found: list[ChatMessage] = []
    ordered = sorted(earlier, key=lambda message: message.sent_at)
    for message in reversed(ordered):
        if begin is not None and timedelta(0) <= begin - message.sent_at <= timedelta(seconds=time_gap_seconds):
            found.insert(0, message)
            begin = message.sent_at
    first = sorted(messages, key=lambda message: message.sent_at)[:_FIRST]
    read = _all_read([*found, *first])
    return found if _goes_on(read[: len(found)], read[len(found) :]) else []


def _goes_on(earlier: Sequence[_Read], first: Sequence[_Read]) -> bool:
    authors = {one.author for one in earlier}
    named = {name for one in earlier for name in one.named}
    return bool(earlier) and any(one.is_answer or one.named & authors or one.author in named for one in first)


def _told_apart(messages: Sequence[ChatMessage]) -> list[list[int]]:
    """The places of the messages of each conversation."""
    if len({message.author for message in messages}) < _FEWEST_SPEAKERS:
        return [list(range(len(messages)))] if messages else []
    read = _all_read(messages)
    seen = Counter(word for one in read for word in one.words)
    threads = {message.thread_id for message in messages if message.thread_id is not None}
    talks: list[list[int]] = []
    talk_of: dict[str, list[int]] = {}
    """By the external ids of messages and threads."""
    for at, message in enumerate(messages):
        own = message.thread_id or (message.external_id if message.external_id in threads else None)
        talk = talk_of.get(own or "") or talk_of.get(message.reply_to or "")
        if talk is None and own is None:
            talk = _best(at, read, [one for one in talks if at - one[-1] <= REACH], seen)
        if talk is None:
            talk = []
            talks.append(talk)
        talk.append(at)
        for name in (message.external_id, own):
            if name:
                talk_of[name] = talk
    return talks


def _best(at: int, read: Sequence[_Read], talks: Sequence[list[int]], seen: Counter[str]) -> list[int] | None:
    """The conversation that the message fits best; None where it begins one."""
    one = read[at]
    speaks = [any(read[place].author == one.author for place in talk[-_RECENT:]) for talk in talks]
    fits = [
        _fit(at, talk, read, seen, is_in=is_in, is_known=any(speaks)) for talk, is_in in zip(talks, speaks, strict=True)
    ]
    least = _LEAST_OF_AN_OPENING if one.is_opening else _LEAST
    best = max(fits, default=least - 1)
    return talks[fits.index(best)] if best >= least else None


def _fit(
    at: int, talk: Sequence[int], read: Sequence[_Read], seen: Counter[str], *, is_in: bool, is_known: bool
) -> float:
    """How well a message fits a conversation; `is_in`: its author speaks there, `is_known`: there or elsewhere."""
    one, last = read[at], read[talk[-1]]
    recent = [read[place] for place in talk[-_RECENT:]]
    authors = {other.author for other in recent}
    fit = _MESSAGE_BETWEEN * (at - talk[-1] - 1) + _MINUTE_BETWEEN * (
        (one.sent_at - last.sent_at) / timedelta(minutes=1)
    )
    fit += _SPEAKS_IN_IT if is_in else _SPEAKS_ELSEWHERE if is_known else _IS_NEW
    if one.addressed is not None:
        fit += _ADDRESSES_IT if one.addressed in authors else _ADDRESSES_ANOTHER
    elif one.named & authors:
        fit += _NAMES_IT
    if any(one.author in other.named for other in recent[-_ASKING:]):
        fit += _WAS_NAMED
    elif last.named and not is_in:
        fit += _ANOTHER_WAS_NAMED
    shared = one.words & frozenset().union(*(other.words for other in recent))
    told = sum(_SHARES_A_WORD if seen[word] <= _RARE else _SHARES_A_COMMON_WORD for word in shared)
    fit += min(told, _WORDS_THAT_COUNT * _SHARES_A_WORD)
    if last.author != one.author:
        fit += _WAS_ASKED if last.is_question else 0
        fit += _ANSWERS if one.is_answer else 0
        fit += _ANSWERS_AT_ONCE if one.is_answer and at - talk[-1] == 1 else 0
    return fit


def _all_read(messages: Sequence[ChatMessage]) -> list[_Read]:
    known = {
        name: message.author
        for message in messages
        for name in (message.author.lower(), *message.author.lower().split())
    }
    return [_read(message, known) for message in messages]


def _read(message: ChatMessage, known: dict[str, str]) -> _Read:
    address = _ADDRESS.match(message.text)
    words = _WORD.findall(message.text.lower())
    return _Read(
        author=message.author,
        sent_at=message.sent_at,
        addressed=None if address is None else known.get(address["name"].lower()),
        named=frozenset(known[word] for word in words if word in known) - {message.author},
        words=frozenset(
            word[:_STEM] for word in words if len(word) > 2 and word not in _EVERYDAY and word not in known
        ),
        is_answer=_ANSWER.match(message.text) is not None,
        is_opening=_OPENING.match(message.text) is not None,
        is_question=message.text.rstrip().endswith("?"),
    )
