"""Who is meant: names in a text become marks (`@§3`) that patterns can rely on, and marks become names again."""

import re
from collections.abc import Iterable

from llm.offline.nicknames import other_forms
from llm.offline.patterns import word_set

MARK = r"@§\d+"
_WORD = re.compile(r"(@?)([^\W_][\w\-|^\[\]`.]*[\w|^\]`\-]|[^\W_])|(@)([\w\-|^\[\]`.]*[\w|^\]`])")
_MARKED = re.compile(r"@§(\d+)")
_PARTS = re.compile(r"[\s._\-|]+")
_EVERYDAY = word_set("""
    all and any are art bill bot can case chase day docker drew everyone for frank gene guest grant guy hope jack job
    joy lag mark master max may mike miles new not now one patch pat peg penny ray rich rob rod root rose sky stew sue
    team test the their there they this tracker user ward way web will win you main dev admin here channel help
    """)
_BOT = re.compile(r"(?:bot(?:t?u)?|\[bot\]|-ci)[\d_^|-]*$", re.IGNORECASE)


def is_bot_name(author: str) -> bool:
    """Whether an author's name ends as the names of machines do."""
    return _BOT.search(author.strip()) is not None


_MENTION = re.compile(r"(?<![\w@.])@([^\W\d_][\w.\-]{1,30}\w)")
_EVERYBODY = word_set("here channel everyone everybody all team room group")


_BEFORE_NAME = re.compile(
    r"(?:^|[,.!?–—-]\s)(?:(?:and|so|ok|okay|then|hey|hi|also|but|yikes|right)[\s,]+)*$", re.IGNORECASE
)
_AFTER_NAME = re.compile(r":\s|,\s|\?|\s+(?:you|your|can|could|would|will|do|please|pls|any chance)\b", re.IGNORECASE)
_SHORTEST_BEGINNING = 4
"""Letters of a name by which somebody may be addressed."""


def _is_spoken_to(match: re.Match[str]) -> bool:
    """Whether a word stands where the name of who is addressed does: "and oleks, …", "tomasz do you …", "priya?"."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    return _BEFORE_NAME.search(before[-40:]) is not None and _AFTER_NAME.match(after) is not None


class Names:
    """The authors of a batch and its context, and whoever their texts mention with `@`, each with a number.

    A person is found again by full name, nick or unambiguous part of a name. Who is mentioned without having
    written anything is understood, but is nobody's assignee.
    """

    def __init__(self, authors: Iterable[str], texts: Iterable[str] = ()) -> None:
        self.people = tuple(dict.fromkeys(authors))
        self._authors = len(self.people)
        self._exact = {author: number for number, author in enumerate(self.people)}
        self._loose: dict[str, int | None] = {}
        for number, author in enumerate(self.people):
            self._learn(author.casefold(), number)
        for number, author in enumerate(self.people):
            for part in _PARTS.split(author.casefold()):
                if len(part) >= 3 and part not in self._exact:
                    self._learn(part, number)
        self._shortened: dict[str, int | None] = {}
        for number, author in enumerate(self.people[: self._authors]):
            self._learn_forms(_PARTS.split(author.casefold())[0], number)
        self._first = {a.split()[0] for a in self.people if a.split()}
        for text in texts:
            for name in _MENTION.findall(text):
                self._meet(name)

    def _meet(self, name: str) -> None:
        """Give somebody who is only mentioned a number."""
        if name.casefold() not in self._loose and name.casefold() not in _EVERYBODY:
            self._loose[name.casefold()] = len(self.people)
            self.people += (name,)

    def _learn(self, key: str, number: int) -> None:
        """A part that two authors share names nobody; a whole name stays with its owner."""
        known = self._loose.setdefault(key, number)
        if known is not None and known != number and key != self.people[known].casefold():
            self._loose[key] = None

    def _learn_forms(self, given: str, number: int) -> None:
        """Pet forms of the given name count everywhere, mere beginnings ("oleks") only where somebody is addressed."""
        for form in other_forms(given):
            if self._loose.get(form, number) != number:
                continue
            self._learn(form, number)
        for length in range(_SHORTEST_BEGINNING, len(given)):
            known = self._shortened.setdefault(given[:length], number)
            if known != number:
                self._shortened[given[:length]] = None

    def author(self, number: int | None) -> str | None:
        """The author with this number; None for nobody and for people who are only mentioned."""
        return self.people[number] if number is not None and number < self._authors else None

    def number(self, author: str) -> int:
        """The number of an author of the batch."""
        return self._exact[author]

    def short(self, number: int) -> str:
        """What a title calls the author: the first name, or the nick as it is."""
        words = self.people[number].split()
        return words[0] if words else "someone"

    def mark(self, text: str) -> str:
        """`text` with every known name replaced by its mark; a name without `@` must be written as its owner does."""
        marked = _WORD.sub(self._replace, text.replace("@§", "@ §"))
        return self._join_surnames(marked)

    def _replace(self, match: re.Match[str]) -> str:
        at = match[1] or match[3]
        word = match[2] or match[4]
        number = self._loose.get(word.casefold())
        if number is None and _is_spoken_to(match):
            number = self._shortened.get(word.casefold())
        if number is None:
            return match[0]
        if at or self._addressed(match) or self._is_written_name(word):
            return f"@§{number}"
        return match[0]

    @staticmethod
    def _addressed(match: re.Match[str]) -> bool:
        """IRC style: the name opens the text and a colon or comma follows."""
        if match.start() == 0 and match.string[match.end() : match.end() + 1] in (":", ","):
            return True
        return len(match[0]) >= _SHORTEST_BEGINNING and match[0].casefold() not in _EVERYDAY and _is_spoken_to(match)

    def _is_written_name(self, word: str) -> bool:
        if len(word) < 3 or word.casefold() in _EVERYDAY:
            return False
        return word in self._exact or word in self._first or (word[0].isupper() and not word.isupper())

    def _join_surnames(self, text: str) -> str:
        """`@§3 Lopez` is one mention when Lopez is the rest of that author's name."""

        def swallow(match: re.Match[str]) -> str:
            rest = " ".join(self.people[int(match[1])].split()[1:])
            return f"@§{match[1]}" if rest and match[2].casefold() == rest.casefold() else match[0]

        if not any(" " in author for author in self.people):
            return text
        text = re.sub(r"@§(\d+) @§\1(?!\d)", r"@§\1", text)
        return re.sub(r"@§(\d+) ([^\W\d_][\w\-]*)", swallow, text)

    def unmark(self, text: str) -> str:
        """`text` with the marks turned into short names."""
        return _MARKED.sub(lambda match: self._named(int(match[1])), text)

    def _named(self, number: int) -> str:
        return self.short(number) if number < len(self.people) else "someone"

    def found(self, text: str) -> tuple[int, ...]:
        """The numbers of the marks in `text`, in order, each once."""
        numbers = (int(found) for found in _MARKED.findall(text))
        return tuple(dict.fromkeys(n for n in numbers if n < len(self.people)))
