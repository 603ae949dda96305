"""What is recommended, and why."""

import re

from playwright.sync_api import Page, Route, expect
from steps import SPACE, become_somebody, cards, expect_rung, like, titles


def three_titles_bring_what_is_like_them(page: Page) -> None:
    expect_rung(page, "Popular")
    like(page, *SPACE)
    expect_rung(page, "Function")
    expect(cards(page)).to_have_count(10)
    assert not set(titles(page)) & set(SPACE), "what was liked is not recommended"
    alike = page.locator("#list .card .meta", has_text="Science Fiction").count()
    assert alike >= 7, f"{alike} of 10"
    first = cards(page).first
    assert SPACE[0] in first.locator(".words").inner_text() or SPACE[1] in first.locator(".words").inner_text()
    # What is drawn adds up to the score.
    for card in cards(page).all():
        pieces = re.findall(r"(−?)(\d+\.\d+)", card.locator(".words").inner_text())
        total = sum(float(number) * (-1 if sign else 1) for sign, number in pieces)
        score = float(card.locator(".score b").inner_text())
        assert abs(total - score) < 0.004, card.inner_text()
        assert card.locator(".bar rect").count() == len(SPACE)


def wishes_change_the_answer(page: Page) -> None:
    like(page, *SPACE)
    expect_rung(page, "Function")
    page.get_by_label("How many").fill("3")
    expect(cards(page)).to_have_count(3)
    page.get_by_role("group", name="Wishes").get_by_label("To", exact=True).fill("1970")
    expect(page.locator(".card .year").first).to_have_text(re.compile("^19[0-6]|^1970"))
    page.get_by_role("group", name="Wishes").get_by_label("Genre").select_option("Western")
    expect(page.locator(".card .meta").first).to_contain_text("Western")
    page.get_by_label("How many").fill("999")
    expect(page.get_by_role("alert")).to_contain_text("/k: expected 1 to 500, found 999")
    page.get_by_label("How many").fill("2")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(cards(page)).to_have_count(2)


def browsing_by_genre_and_decade(page: Page) -> None:
    page.get_by_role("group", name="Genre").get_by_role("button", name="Western").click()
    expect(page.locator(".titles .meta").first).to_contain_text("Western")
    page.get_by_role("group", name="Decade").get_by_role("button", name="1960s").click()
    expect(page.locator(".titles .year").first).to_have_text(re.compile("^196"))
    assert all(text.startswith("196") for text in page.locator(".titles .year").all_inner_texts())
    page.get_by_label("Search", exact=True).fill("good bad")
    expect(page.locator(".titles .title")).to_have_text(["The Good, the Bad and the Ugly"])


def a_person_is_remembered_and_erased(page: Page) -> None:
    person = become_somebody(page)
    like(page, SPACE[0])
    expect(page.locator("#from")).to_contain_text("from what is stored")
    before = titles(page)
    like(page, "Casablanca")
    expect(page.locator("#person")).to_contain_text("2 titles are stored")
    expect(page.locator(".receipt")).to_contain_text("2 used")
    assert titles(page) != before
    # Another visit finds them.
    page.reload()
    page.get_by_role("radio", name="A person").check()
    page.get_by_label("User id").fill(person)
    page.get_by_role("button", name="Be them").click()
    expect(page.locator(".history .title")).to_have_text(["Casablanca", SPACE[0]])
    page.get_by_role("button", name="Erase this person").click()
    page.get_by_role("button", name=f"Erase all of {person}").click()
    expect(page.get_by_text("Erased: 2 events and 1 profile.")).to_be_visible()
    expect(page.locator(".history li")).to_have_count(0)
    expect_rung(page, "Popular")
    left = page.request.get(f"{page.url}v1/users/{person}").json()
    assert left["history"] == [], left


def a_late_answer_to_an_old_question_is_not_shown(page: Page) -> None:
    held: list[Route] = []
    page.route("**/v1/recommendations", lambda route: held.append(route) if not held else route.continue_())
    cards(page).first.get_by_role("button", name=re.compile("^Like")).click()
    expect(page.locator("#list.waiting")).to_have_count(1)
    like(page, *SPACE)
    expect(page.locator(".receipt")).to_contain_text("4 used")
    shown = titles(page)
    held[0].continue_()
    # Time enough for it to be shown, if it were.
    page.wait_for_timeout(500)
    assert titles(page) == shown
    expect(page.locator(".receipt")).to_contain_text("4 used")


def a_service_that_is_gone_is_said_and_found_again(page: Page) -> None:
    page.route("**/v1/recommendations", lambda route: route.abort())
    cards(page).first.get_by_role("button", name=re.compile("^Like")).click()
    expect(page.get_by_role("alert")).to_contain_text("The service can't be reached")
    page.unroute("**/v1/recommendations")
    expect_rung(page, "Function")
    expect(page.get_by_role("alert")).to_have_count(0)
