"""When the model's stand-in misbehaves, and what it counts."""

import hashlib
import random
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Misbehaviour = Literal[
    "rate_limited",
    "quota",
    "server_error",
    "hang",
    "reset",
    "cut_off",
    "truncated",
    "invalid_json",
    "prose",
    "html",
    "wrong_ids",
    "no_ids",
    "bad_confidence",
    "bad_enum",
    "empty",
    "context_too_long",
    "unauthorized",
    "unknown_model",
    "rejected",
    "redirect",
    "no_usage",
]
ANSWERED: frozenset[str] = frozenset({"ok", "empty", "no_usage"})
"""Outcomes in which a good answer was sent."""


@dataclass(frozen=True)
class Rule:
    """Misbehave in a call that fits all of the conditions given; without one, in every call.

    `calls` are numbers from 1, `times` is how often the rule may fire, `probability` is drawn with the script's seed,
    `text` must stand in the first user message. `status` is for `server_error`, `retry_after` (seconds or a date, as
    sent) for `rate_limited` and `server_error`, `seconds` for `hang`, `location` for `redirect`.
    """

    do: Misbehaviour
    calls: tuple[int, ...] = ()
    times: int | None = None
    probability: float | None = None
    text: str | None = None
    status: int = 500
    retry_after: str | None = None
    seconds: float = 3600.0
    location: str = ""


@dataclass(frozen=True)
class Stats:
    """What was counted since the script began. `asked` and `answered` count calls by the hash of a prompt's messages.

    `in_flight` are calls that wait for their reply, `max_in_flight` is the most at any one time. `gone` in `outcomes`
    are calls whose client went away.
    """

    calls: int
    outcomes: dict[str, int]
    in_flight: int
    max_in_flight: int
    asked: dict[str, int]
    answered: dict[str, int]
    connections: int
    prompts: list[str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Call:
    """One call under way."""

    number: int
    prompt_hash: str
    rule: Rule | None
    status: int | None = None

    def done(self, status: int) -> None:
        self.status = status

    @property
    def outcome(self) -> str:
        if self.rule is not None:
            return self.rule.do
        return "gone" if self.status is None else "ok" if self.status == 200 else str(self.status)


@dataclass
class Script:
    """The rules in force and the counters, safe to use from any thread."""

    latency: float = 0.0
    record_prompts: bool = True
    _rules: list[Rule] = field(default_factory=list)
    _fired: Counter[int] = field(default_factory=Counter)
    _random: random.Random = field(default_factory=random.Random)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _calls: int = 0
    _in_flight: int = 0
    _max_in_flight: int = 0
    _connections: int = 0
    _outcomes: Counter[str] = field(default_factory=Counter)
    _asked: Counter[str] = field(default_factory=Counter)
    _answered: Counter[str] = field(default_factory=Counter)
    _prompts: list[str] = field(default_factory=list)

    def begin(self, rules: Sequence[Rule], *, latency: float = 0.0, seed: int = 0) -> None:
        """Put rules in force and count from zero. Calls in flight stay in flight."""
        with self._lock:
            self.latency = latency
            self._rules, self._fired, self._random = list(rules), Counter(), random.Random(seed)
            self._calls, self._max_in_flight, self._connections = 0, self._in_flight, 0
            self._outcomes, self._asked, self._answered, self._prompts = Counter(), Counter(), Counter(), []

    def control(self, body: Mapping[str, Any]) -> None:
        """`{"rules": [{"do": …}], "latency": 0, "seed": 0, "record_prompts": true}`, all optional: as `begin`."""
        self.record_prompts = bool(body.get("record_prompts", self.record_prompts))
        rules = [Rule(**{**rule, "calls": tuple(rule.get("calls", ()))}) for rule in body.get("rules", [])]
        self.begin(rules, latency=float(body.get("latency", 0.0)), seed=int(body.get("seed", 0)))

    def connected(self) -> None:
        with self._lock:
            self._connections += 1

    @contextmanager
    def call(self, prompt: str) -> Iterator[Call]:
        call = self._begin_call(prompt)
        try:
            yield call
        finally:
            self._end_call(call)

    def stats(self) -> Stats:
        with self._lock:
            return Stats(
                calls=self._calls,
                outcomes=dict(self._outcomes),
                in_flight=self._in_flight,
                max_in_flight=self._max_in_flight,
                asked=dict(self._asked),
                answered=dict(self._answered),
                connections=self._connections,
                prompts=list(self._prompts),
            )

    def _begin_call(self, prompt: str) -> Call:
        with self._lock:
            self._calls += 1
            self._in_flight += 1
            self._max_in_flight = max(self._max_in_flight, self._in_flight)
            call = Call(self._calls, prompt_hash(prompt), self._rule(self._calls, prompt))
            self._asked[call.prompt_hash] += 1
            if self.record_prompts:
                self._prompts.append(prompt)
            return call

    def _end_call(self, call: Call) -> None:
        with self._lock:
            self._in_flight -= 1
            self._outcomes[call.outcome] += 1
            if call.status == 200 and call.outcome in ANSWERED:
                self._answered[call.prompt_hash] += 1

    def _rule(self, number: int, prompt: str) -> Rule | None:
        for index, rule in enumerate(self._rules):
            if self._fits(index, rule, number, prompt):
                self._fired[index] += 1
                return rule
        return None

    def _fits(self, index: int, rule: Rule, number: int, prompt: str) -> bool:
        return (
            (not rule.calls or number in rule.calls)
            and (rule.times is None or self._fired[index] < rule.times)
            and (rule.text is None or rule.text in prompt)
            and (rule.probability is None or self._random.random() < rule.probability)
        )


def prompt_hash(prompt: str) -> str:
    """A name for the messages of a prompt, whatever its random fences."""
    lines = [line for line in prompt.split("\n") if re.match(r"\[[^\]\s]+\] ", line)]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]
