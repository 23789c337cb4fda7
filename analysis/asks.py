"""Whether a text may ask for something or promise it, by a small linear model over its words.

The model was trained by `gleaner train-prefilter` from sentences that people had labelled. Its words are hashed, so the
weights (128 KiB) hold no text. It knows English; what is in another language, or too long to be looked at cheaply, may
always be an ask.
"""

import json
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID
from zlib import crc32

BUCKETS = 1 << 17
LONGEST = 2000
"""Characters above which a text is not judged."""
_TOKENS = 60
"""How much of a sentence is looked at."""

_TOKEN = re.compile(r"[^\W\d_]+(?:['’][a-z]+)?|\d+|[?!:,.]")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_ADDRESS = re.compile(r"^\s*(?:@[\w.-]+[:,]?|[\w|\[\]`^{}-]+:)\s+")
"""Whom a message begins with: `@ada`, `ada:`."""
_PROMISE = re.compile(r"\b(?:i['’]?ll|i will|i['’]m on|on it|will do|i can do|mine)\b", re.IGNORECASE)
"""A promise makes a task as well as an ask does, and the letters that the model learnt from hold few."""
_FOREIGN = re.compile(r"[^\W\d_\u0000-\u024f]")
"""A letter of another script than the Latin one."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMON = _words("""
    the a an to of in on is are was be it that this i you we he she they and or but if for with at by from not no do
    does did can could will would should have has had my your our me us what when where who how why please so as just up
    out there here yes ok thanks let's i'll i'm it's don't
""")
_FEW_WORDS = 5
"""A text of fewer may be English without a word of the most common ones."""
_CUES = _words("""
    please pls kindly can could would will you let need should must want ask send call check give make know me us your i
    we they he she
""")

# A feature is a number: the words' own hashes, put together by steps that keep their order.
_BEGIN, _END, _CUE, _LAST = (crc32(name) for name in (b"begin", b"end", b"cue", b"last"))
_LENGTHS = [crc32(b"length %d" % length) % BUCKETS for length in range(12)]
_MASK = BUCKETS - 1


@cache
def _code(token: str) -> int:
    return crc32(("0" if token[0].isdigit() else token.replace("’", "'")).encode())


def features(sentence: str) -> set[int]:
    """The buckets of a sentence: words and pairs of them, how it begins and ends, the order of its cues."""
    words = _TOKEN.findall(sentence.lower())[:_TOKENS]
    # Rare words would fill the memory of a worker that lives for months.
    if _code.cache_info().currsize > 200_000:
        _code.cache_clear()
    codes = [_code(word) for word in words]
    found = {_LENGTHS[min(len(codes) // 3, 11)]}
    if not codes:
        return found
    framed = [_BEGIN, *codes, _END]
    found.update(code & _MASK for code in codes)
    found.update((a * 31 + b) * 0x9E3779B1 >> 7 & _MASK for a, b in pairwise(framed))
    found.update((a * 37 + b) * 0xC2B2AE35 >> 7 & _MASK for a, b in zip(framed, framed[2:], strict=False))
    found.update(code * 41 * 0x165667B1 >> 7 & _MASK for code in codes[:4])
    found.add((codes[-1] ^ _LAST) * 0x27D4EB2F >> 7 & _MASK)
    cues = [code for word, code in zip(words, codes, strict=True) if word in _CUES]
    found.update((a * 43 + b) * 0x9E3779B1 >> 7 & _MASK for a, b in pairwise(cues))
    first = _CUE
    for code in cues[:3]:
        first = first * 47 + code
    found.add(first * 0x9E3779B1 >> 7 & _MASK)
    return found


def sentences(text: str) -> list[str]:
    """The sentences of a message, without whom it addresses."""
    return [part for part in _SENTENCE_END.split(_ADDRESS.sub("", text)) if part and not part.isspace()]


def promises(text: str) -> bool:
    """Whether the text has the words of a promise."""
    return _PROMISE.search(text) is not None


def is_english(text: str) -> bool:
    """Whether the text may be English: Latin letters, and one of the most common words if there are a few words."""
    if _FOREIGN.search(text):
        return False
    words = [word for word in _TOKEN.findall(text.lower()) if word[0].isalpha()]
    return len(words) < _FEW_WORDS or not _COMMON.isdisjoint(words)


@dataclass(frozen=True)
class AskModel:
    """Weights of `BUCKETS` features, as whole numbers from -127 to 127, and the sum from which on a sentence may be an
    ask."""

    weights: Sequence[int]
    bias: int
    threshold: int

    def score(self, sentence: str) -> int:
        weights = self.weights
        return self.bias + sum([weights[bucket] for bucket in features(sentence)])

    def may_ask(self, text: str) -> bool:
        """Whether one of the text's sentences may ask or promise something, or nobody can tell cheaply."""
        if len(text) > LONGEST or promises(text):
            return True
        if any(self.score(sentence) >= self.threshold for sentence in sentences(text)):
            return True
        return not is_english(text)

    def to_bytes(self) -> bytes:
        head = json.dumps({"bias": self.bias, "threshold": self.threshold}).encode()
        return head + b"\n" + bytes(weight & 0xFF for weight in self.weights)

    @staticmethod
    def from_bytes(data: bytes) -> "AskModel":
        """ValueError where this isn't what `to_bytes` gives."""
        head, _, body = data.partition(b"\n")
        if len(body) != BUCKETS:
            raise ValueError(f"{BUCKETS} weights are needed, not {len(body)}")
        return AskModel(memoryview(body).cast("b"), **json.loads(head))


@cache
def shipped() -> AskModel:
    """The model that comes with Gleaner."""
    return AskModel.from_bytes(files("analysis").joinpath("asks.bin").read_bytes())


class Passed(NamedTuple):
    """A message that the rules let pass; `place` is where people talk to each other: its channel, or the thread that it
    answers in. `opens` is the thread that begins with it, or the same."""

    id: UUID
    place: Hashable
    opens: Hashable
    text: str


class Places:
    """Where an ask was said last."""

    def __init__(self) -> None:
        self._asked: set[Hashable] = set()

    def unlikely(self, messages: Iterable[Passed], may_ask: Callable[[str], bool]) -> list[UUID]:
        """The ids of the next messages, given in their order, that ask and promise nothing. What follows an ask in its
        place stays with it: it may be the answer that makes it a task."""
        found = []
        for message in messages:
            if may_ask(message.text):
                self._asked |= {message.place, message.opens}
            elif message.place in self._asked:
                self._asked.remove(message.place)
            else:
                found.append(message.id)
        return found
