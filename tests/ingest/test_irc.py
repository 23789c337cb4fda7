"""IRC logs: both layouts, and what is none."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.entries import Entry, Found, ReadOptions, Skipped
from ingest.irc import IRC, parse
from models.conversation import IncomingMessage

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the data folder ../shared/data is absent")


def entries(*lines: str | bytes, **options: object) -> list[Entry]:
    numbered = [(n, line if isinstance(line, bytes) else line.encode()) for n, line in enumerate(lines, start=1)]
    return list(parse(numbered, ReadOptions(**options), channel="room"))  # type: ignore[arg-type]  # test keywords


def messages(*lines: str | bytes, **options: object) -> list[IncomingMessage]:
    found = entries(*lines, **options)
    assert all(isinstance(entry, Found) for entry in found), found
    return [entry.message for entry in found if isinstance(entry, Found)]


def test_the_meeting_layout_names_channel_minute_nick_and_text() -> None:
    [message] = messages("ubuntu-meeting 2010-11-08 [13:21] <rodrigo_> the new panel? ")
    assert message.channel == "ubuntu-meeting"
    assert message.author == "rodrigo_"
    assert message.sent_at == datetime(2010, 11, 8, 13, 21, tzinfo=UTC)
    assert message.content == "the new panel? "
    assert not message.is_bot
    assert not message.is_system


def test_the_gitter_layout_has_seconds_and_the_channel_it_is_told() -> None:
    [message] = messages("[2016-01-04 19:59:51] <mickadoua> ps : docker-machine active     show a TIMEOUT err")
    assert message.channel == "room"
    assert message.sent_at == datetime(2016, 1, 4, 19, 59, 51, tzinfo=UTC)
    assert message.content == "ps : docker-machine active     show a TIMEOUT err"


def test_the_text_is_kept_as_it_stands() -> None:
    text = r"returns:\'\'\' docker run \\-v $(pwd) [<-CODE->]  <b>x</b> \n"
    assert messages(f"[2016-01-06 13:30:16] <a> {text}")[0].content == text


def test_an_action_is_a_message_of_the_nick() -> None:
    [message] = messages("room 2010-11-08 [18:17]  * jdstrand will file the bug ")
    assert (message.author, message.content, message.is_system) == ("jdstrand", "will file the bug ", False)


@pytest.mark.parametrize(
    "line",
    [
        "room 2010-11-08 [18:17] === alice has joined #room",
        "room 2010-11-08 === yofel_ is now known as yofel ",
        "[2016-01-04 19:59:51] === alice has left",
        "room 2010-11-08 [18:17]  * alice has quit (ping timeout)",
        "[2016-01-04 19:59:51] * alice has joined #room",
    ],
)
def test_what_the_server_says_is_marked_as_such(line: str) -> None:
    [message] = messages(line)
    assert message.is_system
    assert message.author == "server"
    assert re.search("(alice|yofel)", message.content)


def test_a_line_without_a_time_has_that_of_the_line_before_on_its_day() -> None:
    first, second, third = messages(
        "room 2010-11-08 [23:59] <a> late",
        "room 2010-11-08 === b is now known as c",
        "room 2010-11-09 === c is now known as d",
    )
    assert second.sent_at == first.sent_at
    assert third.sent_at == datetime(2010, 11, 9, tzinfo=UTC)


@pytest.mark.parametrize("nick", ["MootBot", "matrixbot", "meetbot_", "ubottu", "Bot2"])
def test_names_of_bots_are_recognised(nick: str) -> None:
    assert messages(f"[2016-01-04 19:59:51] <{nick}> ACTION received: x")[0].is_bot


@pytest.mark.parametrize("nick", ["bothilda", "robots_fan", "alice", "botond"])
def test_names_that_only_contain_bot_are_people(nick: str) -> None:
    assert not messages(f"[2016-01-04 19:59:51] <{nick}> hello")[0].is_bot


def test_the_rule_for_bots_can_be_set() -> None:
    pattern = re.compile("^nagios$")
    assert messages("[2016-01-04 19:59:51] <nagios> DOWN", bot_nick=pattern)[0].is_bot
    assert not messages("[2016-01-04 19:59:51] <MootBot> x", bot_nick=pattern)[0].is_bot


def test_an_irc_notice_comes_from_a_bot() -> None:
    [message] = messages("room 2010-11-09 [13:18] -helper- bug 1 in pygtk: fails")
    assert (message.author, message.is_bot, message.content) == ("helper", True, "bug 1 in pygtk: fails")


@pytest.mark.parametrize("written", ["<@alice>", "<+alice>", "< alice>"])
def test_channel_modes_are_no_part_of_the_nick(written: str) -> None:
    assert messages(f"[2016-01-04 19:59:51] {written} hello")[0].author == "alice"


def test_indented_lines_continue_the_message_above() -> None:
    [message] = messages("[2016-01-04 19:59:51] <a> see:", "    docker ps", "\tdocker rm", "")
    assert message.content == "see:\n    docker ps\n\tdocker rm"


def test_a_line_that_belongs_to_no_message_is_reported_with_its_number() -> None:
    first, bad, last = entries(
        "[2016-01-04 19:59:51] <a> one", "this is no line of a log", "[2016-01-04 19:59:52] <b> two"
    )
    assert isinstance(first, Found)
    assert first.message.content == "one"
    assert bad == Skipped("line 2", "unrecognised_line", "this is no line of a log")
    assert isinstance(last, Found)
    assert last.position == "line 3"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("   indented, with nothing above", "unrecognised_line"),
        ("[2016-01-04 19:59:51] no nick", "unrecognised_line"),
        ("[2016-01-04 19:59:51] <> empty nick", "unrecognised_line"),
        ("[2016-13-04 19:59:51] <a> month 13", "invalid_time"),
        ("room 2010-11-08 [25:00] <a> hour 25", "invalid_time"),
        ("room 2010-11-08 [13:2] <a> cut", "unrecognised_line"),
    ],
)
def test_a_broken_line_has_its_reason(line: str, reason: str) -> None:
    [skipped] = entries(line)
    assert isinstance(skipped, Skipped)
    assert skipped.reason == reason


def test_bytes_that_are_no_text_are_replaced_and_told() -> None:
    [entry] = entries(b"[2016-01-04 19:59:51] <a> caf\xe9")
    assert isinstance(entry, Found)
    assert entry.message.content == "caf\ufffd"
    assert entry.repaired
    [genuine] = entries("[2016-01-04 19:59:51] <a> caf\ufffd")
    assert isinstance(genuine, Found)
    assert not genuine.repaired


def test_a_line_too_long_to_be_one_is_skipped() -> None:
    assert list(parse([(1, None)], ReadOptions(), channel="room")) == [Skipped("line 1", "line_too_long")]


def test_identical_lines_of_one_minute_are_different_messages() -> None:
    line = "room 2010-11-09 [17:32] <sconklin> .. "
    ids = [message.external_id for message in messages(line, line, line)]
    assert len(set(ids)) == 3


def test_a_grown_file_gives_its_old_lines_their_old_ids() -> None:
    line = "room 2010-11-09 [17:32] <sconklin> .. "
    other = "room 2010-11-09 [17:33] <bjf> thanks"
    before = [message.external_id for message in messages(line, line, other)]
    after = [message.external_id for message in messages(line, line, other, line, other, "   and more")]
    assert after[:3] == before
    assert len(set(after)) == 5


def test_a_day_that_stands_twice_in_a_file_gives_each_message_once() -> None:
    day = ["room 2010-11-08 [10:00] <a> hello", "room 2010-11-08 [10:00] <a> hello"]
    rest = ["room 2010-11-09 [10:00] <b> bye"]
    assert len({message.external_id for message in messages(*day, *rest, *day, *rest)}) == 3


def test_the_same_words_said_and_done_differ() -> None:
    said, done = messages("room 2010-11-09 [17:32] <a> waves", "room 2010-11-09 [17:32] * a waves")
    assert said.external_id != done.external_id


def test_channels_of_one_file_are_kept_apart() -> None:
    first, second = messages("one 2010-11-09 [17:32] <a> hi", "two 2010-11-09 [17:32] <a> hi")
    assert (first.channel, second.channel) == ("one", "two")
    assert first.external_id == second.external_id


def test_the_files_name_is_the_channel_unless_told_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "docker.txt"
    file.write_bytes(b"\xef\xbb\xbf[2016-01-04 19:59:51] <a> hi\r\n")

    def channel(**options: str) -> str:
        [entry] = IRC.read(file, ReadOptions(**options))  # type: ignore[arg-type]  # test keywords
        assert isinstance(entry, Found)
        assert entry.message.content == "hi"
        return entry.message.channel

    assert channel() == "docker"
    assert channel(name="original") == "original"
    assert channel(name="original", channel="given") == "given"


@given(st.lists(st.binary() | st.from_regex(rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] <..?> .*")))
def test_no_bytes_make_the_reader_fail_or_lose_a_line(lines: list[bytes]) -> None:
    kept = [line for line in lines if line.decode(errors="replace").strip()]
    found = entries(*kept)
    positions = {entry.position for entry in found}
    assert len(positions) == len(found)
    continued = sum(e.message.content.count("\n") for e in found if isinstance(e, Found))
    assert len(found) + continued >= len(kept)


@needs_data
def test_every_line_of_the_meeting_log_becomes_a_message() -> None:
    found = list(IRC.read(DATA / "irc-ubuntu-meeting-2010-11.txt", ReadOptions()))
    kept = [entry.message for entry in found if isinstance(entry, Found)]
    assert len(found) == len(kept) == 1200
    assert len({message.external_id for message in kept}) == 1200
    assert {message.channel for message in kept} == {"ubuntu-meeting"}
    assert {message.author for message in kept if message.is_bot} == {"MootBot", "ubottu"}
    assert all("is now known as" in message.content for message in kept if message.is_system)


@needs_data
def test_every_line_of_the_docker_log_becomes_a_message() -> None:
    found = list(IRC.read(DATA / "gitter-docker.txt", ReadOptions()))
    kept = [entry.message for entry in found if isinstance(entry, Found)]
    assert len(found) == len(kept) == 28_586
    assert len({message.external_id for message in kept}) == 28_586
    assert {message.channel for message in kept} == {"gitter-docker"}
