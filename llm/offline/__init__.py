"""The offline language model: rules that read a conversation and write down its tasks.

It runs without a network and a key, gives the same answer every time, and knows nothing but cues: who asks whom, who
promises, what is done, withdrawn or meant as a joke. `names` and `sentences` prepare the text, `cues`, `acts` and
`replies` say what a sentence does, `deliverables` and `lines` find what "it" is, `answers` which draft a reply means,
`dialogue` keeps the drafts, `tasks` merges them and writes them down.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from llm.offline.dialogue import Dialogue
from llm.offline.lines import Line
from llm.offline.names import Names
from llm.offline.sentences import LONGEST_TEXT, is_readable, sentences_of
from llm.offline.tasks import Writer, merged
from llm.offline.values import OfflineMessage, OfflineTask, is_same_talk

_SILENCE = timedelta(hours=6)

__all__ = ["OfflineMessage", "OfflineTask", "extract_tasks"]


def extract_tasks(
    messages: Sequence[OfflineMessage], context: Sequence[OfflineMessage] = (), project: str | None = None
) -> list[OfflineTask]:
    """The tasks of one batch of one channel, in the order in which they came up.

    `context` are earlier messages: they help to understand, and are never cited. `project` is a name that becomes a
    tag where the evidence mentions it. Messages of authors whose name ends in "bot", and messages that address a
    language model, are not read.
    """
    sources = [*context, *messages]
    names = Names((source.author for source in sources), (source.text[:LONGEST_TEXT] for source in sources))
    dialogue = Dialogue(names)
    talk = 0
    for position, source in enumerate(sources):
        talk += position > 0 and not is_same_talk(sources[position - 1], source)
        sentences = sentences_of(source.text, names) if is_readable(source) else ()
        author, alone = names.number(source.author), _is_alone(sources, position)
        dialogue.read(Line(position, author, source.sent_at, sentences, talk, alone=alone))
    writer = Writer(names, sources, len(context), project)
    drafts = merged([draft for draft in dialogue.drafts if draft.is_task])
    tasks = [writer.task(draft) for draft in drafts]
    return [task for task in tasks if task is not None]


def _is_alone(sources: Sequence[OfflineMessage], position: int) -> bool:
    """Whether nobody says anything near the message, as is so with letters."""
    near = sources[max(position - 1, 0) : position + 2]
    return not any(is_same_talk(one, other, _SILENCE) for one, other in pairwise(near))
