"""Whether a text may ask for something or promise it, by a small linear model over its words.

The model was trained by `gleaner train-prefilter` from sentences that people had labelled. Its words are hashed, so the
weights (128 KiB) hold no text. It knows English; what is in another language, or too long to be looked at cheaply, may
always be an ask.
"""

import json
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import NamedTuple
from uuid import UUID
from zlib import crc32

import numpy as np
import numpy.typing as npt

from analysis.verbs import VERBS

BUCKETS = 1 << 17
LONGEST = 2000
"""Characters above which a text is not judged."""
_TOKENS = 60
"""How much of a sentence is looked at."""

_TOKEN = re.compile(r"[^\W\d_]+(?:['’][A-Za-z]+)?|\d+|[?!:,.]")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_ADDRESS = re.compile(r"^\s*(?:@[\w.-]+[:,]?|[\w|\[\]`^{}-]+:)\s+")
"""Whom a message begins with: `@ada`, `ada:`."""
_PROMISE = re.compile(r"\b(?:i['’]?ll|i will|i['’]m on|on it|will do|i can do|mine)\b", re.IGNORECASE)
"""A promise makes a task as well as an ask does, and the letters that the model learnt from hold few."""
_OF_PROMISES = ("i'll", "i’ll", "ill", "i will", "m on", "on it", "will do", "i can do", "mine")
"""Each promise holds one of these, which are found much sooner."""
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
_LINKS = _CUES | _words("what when where who how why which whose if not to ?")
_BREAKS = _words("? ! : , . and but or so then")
"""What a clause may begin behind."""

# A feature is a number: the words' own codes, put together by steps that keep their order. The bits of a code that say
# what kind of word it is are above all that reach a bucket.
_IS_VERB, _IS_NAME, _IS_CUE, _IS_LINK, _IS_BREAK, _IS_MARK = (np.uint64(1 << bit) for bit in range(40, 46))
_BEGIN = crc32(b"begin") | int(_IS_BREAK)
_END = crc32(b"end") | int(_IS_MARK)
_CUE, _LAST, _VERB, _NAME = (crc32(name) for name in (b"cue", b"last", b"verb", b"name"))
_LENGTHS = [crc32(b"length %d" % length) % BUCKETS for length in range(12)]
_MASK = np.uint64(BUCKETS - 1)
_CODES_KEPT = 200_000
"""Rare words would fill the memory of a worker that lives for months."""
_EVEN = 78
"""How many features a sentence has whose sum is taken as it is. Longer ones have more of everything."""


# A verb that the model has seldom met, or never, stands where it has met others. The cues tell more by themselves.
_VERBS = VERBS - _CUES


def _code(written: str) -> int:
    word = "0" if written[0].isdigit() else written.lower().replace("’", "'")
    kinds = (
        (_IS_VERB, word in _VERBS),
        (_IS_NAME, len(word) > 1 and written[0].isupper() and word not in _CUES and not word.startswith("i'")),
        (_IS_CUE, word in _CUES),
        (_IS_LINK, word in _LINKS),
        (_IS_BREAK, word in _BREAKS),
        (_IS_MARK, word in "?!:,."),
    )
    return crc32(word.encode()) | sum(int(bit) for bit, given in kinds if given)


class _Codes(dict[str, int]):
    """The code of each word that was met, as it was written."""

    def __missing__(self, word: str) -> int:
        if len(self) > _CODES_KEPT:
            self.clear()
        self[word] = code = _code(word)
        return code


_CODES = _Codes()
_Numbers = npt.NDArray[np.uint64]
_Buckets = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]
"""The rows that buckets belong to, and the buckets."""


def features(sentence: str) -> set[int]:
    """The buckets of a sentence: words and pairs of them, pairs of a verb of work or a name and a word, how it and its
    clauses begin and how it ends, the order of its cues."""
    return set(_features([sentence])[1].tolist())


class _Rows:
    """Rows of codes, one behind the other; `row` says of each code whose it is, `place` where it stands there."""

    def __init__(self, row: npt.NDArray[np.int64], codes: _Numbers, rows: int) -> None:
        lengths = np.bincount(row, minlength=rows)
        self.row, self.codes = row, codes
        self.place = np.arange(len(codes)) - np.repeat(lengths.cumsum() - lengths, lengths)

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "_Rows":
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        codes = np.fromiter(chain.from_iterable(rows), np.uint64, int(lengths.sum()))
        return cls(np.repeat(np.arange(len(rows)), lengths), codes, len(rows))

    def only(self, kind: np.uint64, rows: int) -> "_Rows":
        """The codes of a kind."""
        those = np.flatnonzero(self.codes & kind)
        return _Rows(self.row[those], self.codes[those], rows)

    def joined(self, distance: int, factor: int, spread: int) -> _Buckets:
        """Each code with the one that comes so much later in its row."""
        first, later = self.codes[:-distance], self.codes[distance:]
        within = self.row[:-distance] == self.row[distance:]
        return self.row[:-distance][within], _spread(first * np.uint64(factor) + later, spread)[within]

    def beside(self, kind: np.uint64, stands_for_it: int, distance: int, factor: int, spread: int) -> _Buckets:
        """Each code of a kind, whichever it is, with those so far from it."""
        those = self.codes & kind != 0
        within = self.row[:-distance] == self.row[distance:]
        pairs = np.flatnonzero((those[:-distance] | those[distance:]) & within)
        codes = np.where(those, np.uint64(stands_for_it), self.codes)
        return self.row[pairs], _spread(codes[pairs] * np.uint64(factor) + codes[pairs + distance], spread)

    def clauses(self) -> npt.NDArray[np.int64]:
        """Where clauses begin: behind a mark or a conjunction."""
        return np.flatnonzero((self.codes[:-1] & _IS_BREAK != 0) & (self.codes[1:] & _IS_MARK == 0)) + 1

    def begun(self, count: int, factor: int, spread: int) -> _Buckets:
        """The first codes of each row."""
        first = self.place < count
        return self.row[first], _spread(self.codes[first] * np.uint64(factor), spread)


def _features(sentences: Sequence[str]) -> _Buckets:
    """The buckets of several sentences, each once a sentence. Numbers wrap at 64 bits, which the bits that are used
    don't show."""
    count = len(sentences)
    codes = [[_CODES[word] for word in _TOKEN.findall(sentence)[:_TOKENS]] for sentence in sentences]
    bare = _Rows.of(codes)
    framed = _Rows.of([[_BEGIN, *its, _END] if its else [] for its in codes])
    framed.codes[framed.place == 1] &= ~_IS_NAME  # A sentence begins with a capital anyway.
    last = _Rows.of([[its[-1] ^ _LAST] if its else [] for its in codes])
    cues, links = bare.only(_IS_CUE, count), bare.only(_IS_LINK, count)
    clauses = framed.clauses()
    verbs = clauses[framed.codes[clauses] & _IS_VERB != 0]
    length = [_LENGTHS[min(len(its) // 3, 11)] for its in codes]
    said = bare.row[bare.place == 0]
    found = [
        (np.arange(count), np.array(length, np.uint64)),
        (bare.row, bare.codes & _MASK),
        framed.joined(1, 31, 0x9E3779B1),
        framed.joined(2, 37, 0xC2B2AE35),
        framed.beside(_IS_VERB, _VERB, 1, 53, 0x27D4EB2F),
        framed.beside(_IS_NAME, _NAME, 1, 59, 0x165667B1),
        framed.beside(_IS_NAME, _NAME, 2, 61, 0x9E3779B1),
        (framed.row[clauses], _spread(framed.codes[clauses] * np.uint64(67), 0xC2B2AE35)),
        (framed.row[verbs], _spread(framed.codes[verbs + 1] * np.uint64(71), 0x27D4EB2F)),
        (framed.row[verbs], _spread((framed.place[verbs] > 1) + np.uint64(_VERB), 0xC2B2AE35)),
        bare.begun(4, 41, 0x165667B1),
        last.begun(1, 1, 0x27D4EB2F),
        cues.joined(1, 43, 0x9E3779B1),
        *(links.joined(distance, 73, 0x165667B1) for distance in range(1, 5)),
        (said, _spread(_first_cues(cues, count)[said], 0x9E3779B1)),
    ]
    rows, buckets = (np.concatenate(parts) for parts in zip(*found, strict=True))
    # What np.unique does, too, but with numpy 2.4 in fourteen times the time.
    all_of_them = np.sort(rows.astype(np.uint64) * np.uint64(BUCKETS) + buckets)
    first_of_its = np.ones(len(all_of_them), np.bool_)
    first_of_its[1:] = all_of_them[1:] != all_of_them[:-1]
    once = all_of_them[first_of_its]
    return (once // np.uint64(BUCKETS)).astype(np.int64), once & _MASK


def _first_cues(cues: _Rows, count: int) -> _Numbers:
    """The first three of each row as one number."""
    first = np.full(count, _CUE, np.uint64)
    for place in range(3):
        there = cues.place == place
        first[cues.row[there]] = first[cues.row[there]] * np.uint64(47) + cues.codes[there]
    return first


def _spread(numbers: _Numbers, factor: int) -> _Numbers:
    return numbers * np.uint64(factor) >> np.uint64(7) & _MASK


def evened(found: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """What the sum of so many features is multiplied by."""
    return np.sqrt(_EVEN / np.maximum(found, 1))


def sentences(text: str) -> list[str]:
    """The sentences of a message, without whom it addresses."""
    return [part for part in _SENTENCE_END.split(_ADDRESS.sub("", text)) if part and not part.isspace()]


def promises(text: str) -> bool:
    """Whether the text has the words of a promise."""
    small = text.lower()
    return any([part in small for part in _OF_PROMISES]) and _PROMISE.search(text) is not None  # noqa: C419 - sooner


def is_english(text: str) -> bool:
    """Whether the text may be English: Latin letters, and one of the most common words if there are a few words."""
    if not text.isascii() and _FOREIGN.search(text):
        return False
    if not _COMMON.isdisjoint(text.lower().split()):
        return True
    words = [word for word in _TOKEN.findall(text.lower()) if word[0].isalpha()]
    return len(words) < _FEW_WORDS or not _COMMON.isdisjoint(words)


@dataclass(frozen=True, eq=False)
class AskModel:
    """Weights of `BUCKETS` features, as whole numbers from -127 to 127, and the sum from which on a sentence may be an
    ask."""

    weights: npt.NDArray[np.int8]
    bias: int
    threshold: int

    def scores(self, sentences: Sequence[str]) -> list[int]:
        """How much each sentence sounds like an ask. One call for many is much cheaper than a call for each."""
        rows, buckets = _features(sentences)
        sums = np.bincount(rows, self.weights[buckets], len(sentences))
        return [self.bias + int(score) for score in sums * evened(np.bincount(rows, minlength=len(sentences)))]

    def may_ask(self, texts: Sequence[str]) -> list[bool]:
        """Of each text whether one of its sentences may ask or promise something, or nobody can tell cheaply."""
        asks = [len(text) > LONGEST or promises(text) for text in texts]
        parts = [[] if asked else sentences(text) for text, asked in zip(texts, asks, strict=True)]
        scores = iter(self.scores(list(chain.from_iterable(parts))))
        return [
            asked or any([next(scores) >= self.threshold for _ in its]) or not is_english(text)  # noqa: C419 - takes all
            for text, asked, its in zip(texts, asks, parts, strict=True)
        ]

    def to_bytes(self) -> bytes:
        head = json.dumps({"bias": self.bias, "threshold": self.threshold}).encode()
        return head + b"\n" + self.weights.tobytes()

    @staticmethod
    def from_bytes(data: bytes) -> "AskModel":
        """ValueError where this isn't what `to_bytes` gives."""
        head, _, body = data.partition(b"\n")
        if len(body) != BUCKETS:
            raise ValueError(f"{BUCKETS} weights are needed, not {len(body)}")
        return AskModel(np.frombuffer(body, np.int8), **json.loads(head))


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

    def unlikely(self, messages: Sequence[Passed], may_ask: Callable[[Sequence[str]], Sequence[bool]]) -> list[UUID]:
        """The ids of the next messages, given in their order, that ask and promise nothing. What follows an ask in its
        place stays with it: it may be the answer that makes it a task."""
        found = []
        for message, asks in zip(messages, may_ask([message.text for message in messages]), strict=True):
            if asks:
                self._asked |= {message.place, message.opens}
            elif message.place in self._asked:
                self._asked.remove(message.place)
            else:
                found.append(message.id)
        return found
