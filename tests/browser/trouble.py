"""Pulling the cable, and worse."""

from playwright.sync_api import Page, expect
from steps import SPACE, become_somebody, cards, count, count_reaches, expect_rung, like, make, titles


def a_pulled_cable_changes_the_rung_and_answers_go_on(page: Page) -> None:
    like(page, *SPACE)
    expect_rung(page, "Function")
    expect(page.locator(".receipt")).to_contain_text("none: it is the best there is")
    shown = titles(page)
    page.get_by_role("button", name="Plug in an accelerator").click()
    expect_rung(page, "Accelerator")
    assert titles(page) == shown, "it has the same model"
    page.get_by_role("switch", name="Keep asking").click()
    count_reaches(page, "accelerator", 5)
    page.get_by_role("button", name="Pull the cable").click()
    expect_rung(page, "Function")
    expect(page.locator(".rung.accelerator")).to_contain_text("left alone, and tried beside the requests")
    count_reaches(page, "function", count(page, "function") + 5)
    assert titles(page) == shown
    page.get_by_role("button", name="Put the cable back").click()
    expect_rung(page, "Accelerator")
    expect(page.locator(".counts .failed")).to_have_count(0)
    assert page.locator(".bars.accelerator").last.get_attribute("d")
    assert page.locator(".bars.function").last.get_attribute("d")


def slow_and_nonsense_are_seen_through(page: Page) -> None:
    like(page, SPACE[0])
    for fault, reason in [
        ("Too slow", "no whole reply in time"),
        ("Nonsense", "answered nonsense, which was thrown away"),
    ]:
        make(page, "Working")
        expect_rung(page, "Accelerator")
        make(page, fault)
        expect_rung(page, "Function")
        expect(page.locator(".rung.accelerator")).to_contain_text(reason)
        expect(cards(page)).to_have_count(10)
    make(page, "Unplugged")
    expect(page.locator(".rung.accelerator")).to_contain_text("Not plugged in")
    expect(page.locator(".receipt")).to_contain_text("none: it is the best there is")


def without_the_store_what_was_last_seen_answers(page: Page) -> None:
    become_somebody(page)
    like(page, *SPACE)
    expect(page.locator("#from")).to_contain_text("from what is stored")
    expect(page.locator(".receipt")).to_contain_text("3 used")
    shown = titles(page)
    page.get_by_role("switch", name="Profile store down").click()
    expect(page.locator("#from")).to_contain_text("the profile store is down")
    expect(page.locator(".receipt")).to_contain_text("profile_unavailable")
    assert titles(page) == shown
    cards(page).first.get_by_role("button").first.click()
    expect(page.get_by_role("alert")).to_contain_text("The store can't be reached")
    page.get_by_role("switch", name="Profile store down").click()
    expect(page.locator("#from")).to_contain_text("from what is stored")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".receipt")).to_contain_text("4 used")
