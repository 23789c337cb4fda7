"""Which project a proposal belongs to."""

from uuid import UUID

from analysis.projects import Candidate, Classification, classify

SHOP = Candidate(UUID(int=1), "Shop", ["checkout", "gift card"], ["PSP"], [{"name": "Cart", "keywords": ["basket"]}])
APP = Candidate(UUID(int=2), "Trail App", ["iOS", "login"], ["GPX"], [{"name": "Maps", "keywords": []}])


def project_of(text: str, *candidates: Candidate, suggestion: str | None = None) -> UUID | None:
    return classify(text, suggestion, candidates or (SHOP, APP)).project_id


def test_words_of_a_project_point_to_it() -> None:
    for text in ("The Checkout hangs", "buy a gift  card", "ask the PSP", "basket is empty", "for the shop"):
        assert project_of(text) == SHOP.id
    assert classify("checkout, then a gift card", None, [SHOP, APP]).keywords == ("checkout", "gift card")


def test_a_part_of_a_word_is_no_word() -> None:
    for text in ("recheckouts", "GPXs", "workshop", "cartoon"):
        assert classify(text, None, [SHOP, APP]) == Classification()


def test_more_signs_win_and_make_surer() -> None:
    assert project_of("login on iOS before the checkout") == APP.id
    one, two = (classify(text, None, [SHOP, APP]).confidence for text in ("checkout", "checkout with a gift card"))
    assert one is not None
    assert two is not None
    assert one < two < 1


def test_signs_of_two_projects_that_weigh_the_same_name_neither() -> None:
    assert project_of("login at the checkout") is None


def test_the_model_s_suggestion_counts_and_clear_words_count_more() -> None:
    assert project_of("fix it", suggestion="trail app") == APP.id
    assert project_of("checkout: gift card fails, ask the PSP", suggestion="Trail App") == SHOP.id
    assert project_of("fix it", suggestion="Unknown") is None


def test_meaning_points_to_what_it_is_clearly_nearest_to() -> None:
    def measured(shop: float | None, app: float | None) -> UUID | None:
        return project_of("fix it", *(_near(one, near) for one, near in ((SHOP, shop), (APP, app))))

    assert measured(0.1, 0.4) == APP.id
    assert measured(0.4, 0.39) is None
    assert measured(0.05, -0.2) is None
    assert measured(None, None) is None


def test_neighbours_point_to_their_project() -> None:
    near = Candidate(APP.id, APP.name, share=0.9)
    assert project_of("fix it", SHOP, near) == APP.id


def test_without_projects_there_is_none() -> None:
    assert classify("checkout", "Shop", []) == Classification()


def _near(project: Candidate, nearness: float | None) -> Candidate:
    return Candidate(project.id, project.name, nearness=nearness)
