"""When a proposal says again what was said before."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from analysis.memory import Fate, Recollection, Remembered, doubtful, recall
from analysis.same_work import Pair
from models.values import RejectReason

EARLIER, TASK = uuid4(), uuid4()


def earlier(
    title: str = "Fix the login on Safari",
    fate: Fate = "rejected",
    *,
    shared: bool = True,
    same: bool = True,
    fresh: bool = False,
    edited: bool = False,
    reason: RejectReason = "not_a_task",
    proposal_id: UUID = EARLIER,
) -> Remembered:
    return Remembered(
        title,
        fate,
        proposal_id=proposal_id,
        task_id=TASK if fate == "task" else None,
        reject_reason=reason if fate == "rejected" else None,
        shared=shared,
        same=same,
        fresh=fresh,
        edited=edited,
    )


def of(title: str, *known: Remembered) -> Recollection:
    return recall([title], [known])[0]


def is_new(found: Recollection) -> bool:
    """Whether nothing that is known becomes of it, however alike something may be."""
    return replace(found, nearest=0.0) == Recollection()


@pytest.mark.parametrize(
    ("fate", "reason"),
    [("rejected", "rejected_before"), ("pending", "pending_elsewhere"), ("task", "known_task")],
)
def test_what_says_the_same_of_the_same_messages_is_suppressed(fate: Fate, reason: str) -> None:
    found = of("Fix the login on Safari", earlier(fate=fate))
    assert (found.suppressed, found.recommends, found.type, found.score) == (reason, None, "exact_messages", 1.0)
    assert found.proposal_id == EARLIER
    assert found.task_id == (TASK if fate == "task" else None)


@pytest.mark.parametrize(
    ("fate", "title", "suppressed", "recommends"),
    [
        ("task", "Fix the login on Safari and on Edge", None, "update_existing"),
        ("pending", "Fix the login on Safari and on Edge", None, "merge"),
        ("rejected", "Fix the login on Safari and on Edge", "rejected_before", None),
        ("task", "fix the login on Safari.", "known_task", None),
        ("pending", "fix the login on Safari.", "pending_elsewhere", None),
    ],
)
def test_an_edited_message_may_add_to_what_came_of_it(
    fate: Fate, title: str, suppressed: str | None, recommends: str | None
) -> None:
    found = of(title, earlier(fate=fate, edited=True))
    assert (found.suppressed, found.recommends, found.proposal_id) == (suppressed, recommends, EARLIER)


@pytest.mark.parametrize(
    "title",
    ["Repair Safari login", "Login on Safari: fix it", "Make it possible to log in with Safari", "fix login (Safari)"],
)
def test_other_words_of_a_model_do_not_hide_a_repeat(title: str) -> None:
    assert of(title, earlier()).suppressed == "rejected_before"


@pytest.mark.parametrize("title", ["Update the docs", "Order pizza for Friday", "Оновити документацію"])
def test_another_task_of_the_same_message_is_another_task(title: str) -> None:
    assert is_new(of(title, earlier()))
    assert is_new(of(title, earlier(same=False)))


@pytest.mark.parametrize("fate", ["rejected", "pending", "task"])
@pytest.mark.parametrize("fresh", [True, False])
def test_the_opposite_on_the_same_messages_is_no_repeat(fate: Fate, *, fresh: bool) -> None:
    assert is_new(of("Remove the dark mode switch", earlier("Add the dark mode switch", fate, fresh=fresh)))


def test_titles_that_name_different_numbers_are_different_tasks() -> None:
    assert is_new(of("Ship part 13", earlier("Ship part 12")))
    assert is_new(of("Ship part 13", earlier("Ship part 12", "task", shared=False, fresh=True)))
    assert of("Ship part 12 today", earlier("Ship the part today")).suppressed == "rejected_before"


def test_of_two_tasks_of_a_message_each_is_recognised() -> None:
    one, other = earlier("Prepare the budget for March"), earlier("Send the budget to Ann", "task", proposal_id=uuid4())
    first, second = recall(["Send Ann the budget", "Prepare the March budget"], [[one, other], [one, other]])
    assert (first.suppressed, second.suppressed) == ("known_task", "rejected_before")


def test_one_earlier_proposal_swallows_no_second_task() -> None:
    known = [earlier("Prepare the budget")]
    first, second = recall(["Prepare the budget", "Prepare the budget meeting"], [known, known])
    assert (first.suppressed, second.suppressed) == ("rejected_before", None)


def test_the_same_words_twice_are_two_repeats() -> None:
    known = [earlier()]
    found = recall(["Fix the login on Safari"] * 2, [known, known])
    assert [one.suppressed for one in found] == ["rejected_before"] * 2


def test_news_of_a_task_is_an_update_of_it() -> None:
    found = of("Fix the login on Safari", earlier(fate="task", same=False, fresh=True))
    assert (found.suppressed, found.recommends, found.task_id) == (None, "update_existing", TASK)


@pytest.mark.parametrize(("fate", "recommends"), [("rejected", None), ("pending", "merge")])
def test_news_of_what_was_rejected_or_waits_is_for_a_person_who_sees_the_earlier_one(
    fate: Fate, recommends: str | None
) -> None:
    found = of("Fix the login on Safari", earlier(fate=fate, same=False, fresh=True))
    assert (found.suppressed, found.recommends, found.proposal_id) == (None, recommends, EARLIER)


def test_a_task_said_again_in_new_messages_is_an_update_of_it() -> None:
    known = earlier("Order a new coffee machine for the office", "task", shared=False, same=False, fresh=True)
    found = of("Office needs a new coffee machine", known)
    assert (found.suppressed, found.recommends, found.task_id) == (None, "update_existing", TASK)
    assert found.type == "semantic"
    assert found.score is not None
    assert 0.65 <= found.score < 1


@pytest.mark.parametrize(
    ("reason", "suppressed"),
    [("not_a_task", True), ("duplicate", True), ("already_done", False), ("wrong_details", False), ("other", False)],
)
def test_a_wish_that_was_turned_down_stays_so_in_new_messages(reason: RejectReason, suppressed: bool) -> None:
    known = earlier("Buy a new coffee machine", shared=False, same=False, fresh=True, reason=reason)
    found = of("buy a new coffee machine!", known)
    assert (found.suppressed == "rejected_before") is suppressed
    assert found.proposal_id == EARLIER


def test_the_opposite_in_new_messages_is_for_a_person() -> None:
    known = earlier("Enable logging", shared=False, same=False, fresh=True)
    assert of("Disable logging", known).suppressed is None


def test_a_task_is_shown_before_a_proposal_that_is_as_much_alike() -> None:
    known = [earlier(fate="pending", shared=False), earlier(fate="task", shared=False, proposal_id=uuid4())]
    assert of("Fix the login on Safari", *known).task_id == TASK


def test_what_a_strict_rule_is_told_of() -> None:
    def nearest(title: str, *, own: bool = False) -> float:
        known = replace(earlier("Add dark mode to the app", shared=False), nearness=0.9, own=own)
        return of(title, known).nearest

    assert nearest("Add dark mode") == nearest("Add dark mode", own=True) == 0.9
    assert 0 < nearest("Remove dark mode from the app") < 0.9
    assert nearest("Remove dark mode from the app", own=True) == 0


def test_the_same_title_is_no_more_than_the_same() -> None:
    known = replace(earlier("Add dark mode", shared=False), nearness=1.0000002)
    found = of("Add dark mode", known)
    assert (found.score, found.nearest) == (1.0, 1.0)


def test_without_anything_remembered_all_is_new() -> None:
    assert recall(["One", "Two"], [[], []]) == [Recollection(), Recollection()]
    assert recall([], []) == []
    assert of("???", earlier("!!!")) == Recollection()


VENUE, LOCATION = "Book a venue for the December offsite", "Reserve a location for the December offsite"


def test_what_may_be_the_same_is_doubtful_the_likest_first() -> None:
    known = [
        Remembered(LOCATION, "task", nearness=0.78),
        Remembered("Book a hall for the December offsite", "pending", nearness=0.9),
        Remembered("Water the plants", "pending", nearness=0.1),
        Remembered(VENUE, "pending", nearness=1.0),
    ]
    assert doubtful([VENUE], [known]) == [Pair(VENUE, "Book a hall for the December offsite"), Pair(VENUE, LOCATION)]


@pytest.mark.parametrize(("same", "verdict"), [(True, "same"), (False, None), (None, "possible")])
def test_a_model_has_the_last_word_on_what_is_doubtful(same: bool | None, verdict: str | None) -> None:
    judged = {} if same is None else {Pair(VENUE, LOCATION): same}
    known = [Remembered(LOCATION, "pending", proposal_id=EARLIER, nearness=0.78)]
    (found,) = recall([VENUE], [known], judged)
    assert (None if found.comparison is None else found.comparison.verdict) == verdict
    assert found.recommends == ("merge" if same else None)
    assert (found.nearest >= 0.78) == (same is not False)


def test_a_model_is_not_asked_what_the_rules_know() -> None:
    known = [Remembered("Cancel the venue of the December offsite", "pending", proposal_id=EARLIER, nearness=0.9)]
    (found,) = recall(["Book the venue of the December offsite"], [known], {Pair(VENUE, LOCATION): True})
    assert doubtful(["Book the venue of the December offsite"], [known]) == []
    assert is_new(found)
