"""Which messages the rules of the prefilter keep. PostgreSQL applies them, so it does here."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from analysis.prefilter import REASONS, keyword_pattern, matched_keywords, rules_for
from db import window_previews
from db.engine import Database
from models.base import new_id
from models.run import AnalysisRun
from tests.support.builders import START, add_messages

_days = itertools.count()


async def judged(
    database: Database, *texts: str, keywords: tuple[str, ...] = (), mode: str = "rules", **values: Any
) -> dict[str, int]:
    """Why the rules drop messages with these texts, with counts; `kept` counts the others."""
    start = START + timedelta(days=next(_days))
    await add_messages(database, *texts, start=start, gap_seconds=1, **values)
    run = AnalysisRun(time_window_start=start, time_window_end=start + timedelta(days=1), agent_assignment_id=new_id())
    async with database.transaction() as session:
        seen = await window_previews.preview(session, run, rules_for(mode, keywords))
    assert seen.total == len(texts)
    return seen.filtered_by_reason | ({"kept": seen.kept} if seen.kept else {})


DROPPED = {
    "placeholder": ("[No text content]", "[no text]", " [STICKER] ", "[photo]", "[deleted]\n"),
    "no_text": ("👍", "🎉🎉🎉 !!!", "...", "-----------------", "¯\\(°°)/¯", "?!"),
    "too_short": ("ok", "deployed", "да", "нормально", "hmm...", "1", "  padding  "),
    "small_talk": ("ok thanks", "Yes it is", "ha ha ha", "thank you", "no, no!", "so cool"),
}


@pytest.mark.parametrize("reason", DROPPED)
async def test_what_says_nothing_is_dropped_for_its_reason(database: Database, reason: str) -> None:
    assert await judged(database, *DROPPED[reason]) == {reason: len(DROPPED[reason])}


KEPT = (
    "API down!",
    "DB is off",
    "fix 1 bug",
    "thanks, but please fix the login",
    "сайт упал",
    "почините вход, пожалуйста",
    "数据库今天早上又坏了请检查",
    "@bob",
    "ok @bob!",
    "(@bob)",
    "@иван",
    "<@U024BE7LH>",
    "<@W024BE7LH> ok",
    "[photo] needs a caption",
    "Lola ok",
)


async def test_what_may_hold_a_task_is_kept(database: Database) -> None:
    assert await judged(database, *KEPT) == {"kept": len(KEPT)}


async def test_bots_and_the_chat_server_are_dropped_whatever_they_say(database: Database) -> None:
    text = "@bob please fix the login page"
    assert await judged(database, text, keywords=("login",), is_bot=True) == {"bot": 1}
    assert await judged(database, text, keywords=("login",), is_system=True) == {"system": 1}
    assert await judged(database, "👍", is_bot=True, is_system=True) == {"bot": 1}


async def test_the_mode_off_keeps_everything(database: Database) -> None:
    texts = ("👍", "ok", "[photo]", "nothing of the project")
    assert await judged(database, *texts, mode="off", keywords=("login",)) == {"kept": 4}
    assert await judged(database, *texts, mode="off", is_bot=True) == {"kept": 4}


async def test_a_run_with_keywords_drops_what_names_none(database: Database) -> None:
    texts = ("the weather is nice today", "who wants a coffee?", "bob@x.io is gone", "write to me@example.org")
    assert await judged(database, *texts, keywords=("login",)) == {"no_keyword": 4}


async def test_a_mention_is_as_good_as_a_keyword_and_an_email_address_is_none(database: Database) -> None:
    texts = ("@bob the weather is nice", "ask <@U024BE7LH> about it", "cc @ann, @bob", "@ann.lee please look at it")
    assert await judged(database, *texts, keywords=("login",)) == {"kept": 4}
    addresses = ("see bob@example.org for it", "bob.lee+chat@example.org wrote", "ann_lee@example.org wrote")
    assert await judged(database, *addresses, keywords=("login",)) == {"no_keyword": 3}


async def test_a_keyword_keeps_a_message_that_is_short_or_small_talk(database: Database) -> None:
    assert await judged(database, "login", "LOGIN!", "ok login", keywords=("login",)) == {"kept": 3}
    assert await judged(database, "ok", "👍", "[photo]", keywords=("ok", "photo")) == {
        "kept": 1,
        "no_text": 1,
        "placeholder": 1,
    }


FOUND = [
    ("api", "the api is down again"),
    ("api", "The API, is it down?"),
    ("api", "api"),
    ("c++", "we should write it in C++ again"),
    ("c++", "is it C++?"),
    ("node.js", "an update of Node.js is due"),
    ("node.js", "(node.js) is due for an update"),
    (".net", "move it to .NET this week"),
    ("c#", "the c# client is broken"),
    ("sign-in", "the Sign-In page is white"),
    ("log in", "i can't log  in today"),
    ("log in", "please log\nin again today"),
    ("оплата", "Оплата не проходит со вчера"),
    ("ОПЛАТА", "не проходит оплата, проверьте"),
    ("straße", "die straße fehlt im formular"),
    ("数据库", "the 数据库 is down again"),
    ("a|b", "what about a|b for that one"),
    ("[x]", "tick [x] in that list please"),
    ("back\\slash", "the back\\slash is missing there"),
    ("100%", "the disk is at 100% again"),
    ("it's", "it's broken again, sadly"),
    ("user_id", "the user_id is empty again"),
]
MISSED = [
    ("api", "such a rapid therapist"),
    ("api", "my_api_key is what it is"),
    ("api", "the apis are fine i think"),
    ("api", "апи api2 is something else"),
    ("c++", "c is fine as well i think"),
    ("c++", "c++11 is something else"),
    ("node.js", "nodeXjs is something else"),
    ("оплат", "Оплата не проходит со вчера"),
    ("a|b", "a or b would be fine too"),
    ("log in", "the login is fine i think"),
    ("user", "the user_id is fine i think"),
]


async def test_a_keyword_is_found_as_a_whole_word(database: Database) -> None:
    for keyword, text in FOUND:
        given = ("unheard of", keyword)
        assert (text, await judged(database, text, keywords=given)) == (text, {"kept": 1})
        assert matched_keywords(given, text) == [keyword]


async def test_a_keyword_is_not_found_in_other_words(database: Database) -> None:
    for keyword, text in MISSED:
        assert (text, await judged(database, text, keywords=(keyword,))) == (text, {"no_keyword": 1})
        assert matched_keywords([keyword], text) == []


async def test_blank_keywords_are_no_keywords(database: Database) -> None:
    assert keyword_pattern(["", "  "]) is None
    assert matched_keywords(["", "  "], "any text") == []
    assert await judged(database, "the weather is nice today", keywords=("", " ")) == {"kept": 1}


def test_every_reason_is_named() -> None:
    assert {*DROPPED, "bot", "system", "no_keyword", "unlikely"} == set(REASONS)
