"""The name of a question changes with everything that shapes the answer, and with nothing else."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis.fingerprints import fingerprint
from tests.support.chat import conversation

MESSAGES = conversation(3)
SNAPSHOT: dict[str, Any] = {
    "assignment_id": "1",
    "provider": {"id": "1", "name": "Stand-in", "type": "openai"},
    "agent": {
        "id": "1",
        "name": "Agent",
        "model_name": "stand-in",
        "system_prompt": "Find tasks.",
        "temperature": 0.2,
        "max_tokens": 1000,
    },
    "task": {"id": "1", "name": "Find tasks", "description": None, "response_schema": None},
    "prompt_version": "1",
    "project": {"name": "Shop", "keywords": ["login"]},
}
SCHEMA = {"type": "object"}


def named(**changed: Any) -> str:
    question: dict[str, Any] = {"messages": MESSAGES, "snapshot": SNAPSHOT, "output_schema": SCHEMA, "layout": "tool"}
    question |= changed
    return fingerprint(question.pop("messages"), **question)


def snapshot(*path: str, value: object) -> dict[str, Any]:
    """The snapshot with one value changed."""
    changed = deepcopy(SNAPSHOT)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return changed


def test_the_same_question_has_the_same_name() -> None:
    reordered = dict(reversed(deepcopy(SNAPSHOT).items()))
    assert named() == named(messages=list(MESSAGES), snapshot=reordered) == named()
    assert len(named()) == 64


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("provider", "type"), "mistral"),
        (("agent", "model_name"), "another"),
        (("agent", "system_prompt"), "Find bugs."),
        (("agent", "temperature"), 0.3),
        (("agent", "max_tokens"), None),
        (("prompt_version",), "2"),
        (("project", "keywords"), ["logout"]),
        (("project",), None),
    ],
)
def test_what_the_run_means_is_part_of_it(path: tuple[str, ...], value: object) -> None:
    assert named(snapshot=snapshot(*path, value=value)) != named()


def test_the_order_in_which_messages_are_shown_is_part_of_it_where_it_is_another() -> None:
    order = [message.id for message in MESSAGES]
    assert len(order) > 1
    assert named(shown=order) == named()
    assert named(shown=order[::-1]) != named()


@pytest.mark.parametrize("path", [("provider", "id"), ("provider", "name"), ("agent", "name"), ("assignment_id",)])
def test_how_things_are_called_is_not(path: tuple[str, ...]) -> None:
    assert named(snapshot=snapshot(*path, value="other")) == named()


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: replace(m, text=m.text + "!"),
        lambda m: replace(m, author="dave"),
        lambda m: replace(m, sent_at=m.sent_at + timedelta(microseconds=1)),
    ],
)
def test_an_edited_message_is_another_question(edit: Callable[[Any], Any]) -> None:
    assert named(messages=[*MESSAGES[:2], edit(MESSAGES[2])]) != named()


def test_order_and_number_of_the_messages_are_part_of_it() -> None:
    assert named(messages=MESSAGES[::-1]) != named()
    assert named(messages=MESSAGES[:2]) != named()


def test_the_schema_and_the_layout_are_part_of_it() -> None:
    assert named(output_schema={"type": "array"}) != named()
    assert named(layout="native") != named()


def test_fields_do_not_run_into_each_other() -> None:
    one, other = (replace(MESSAGES[0], author=author, text=text) for author, text in (("ab", "c"), ("a", "bc")))
    assert named(messages=[one]) != named(messages=[other])


def test_a_text_with_a_lone_surrogate_has_a_name() -> None:
    assert named(messages=[replace(MESSAGES[0], text="\ud800")]) != named(messages=[replace(MESSAGES[0], text="?")])


def test_what_led_to_the_messages_shapes_the_answer_and_its_absence_leaves_the_name_as_it_was() -> None:
    assert named(context=[]) == named()
    assert named(context=conversation(1)) != named()
