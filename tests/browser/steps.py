"""What the cases do and look at, in the page's own words."""

from playwright.sync_api import Locator, Page, expect

# What a person likes of whom it is plain what comes next.
SPACE = ["Alien", "Blade Runner", "The Terminator"]


def like(page: Page, *titles: str) -> None:
    """Finds titles by typing, and likes them."""
    for title in titles:
        page.get_by_label("Search", exact=True).fill(title)
        page.locator(".titles").get_by_role("button", name=f"Like {title}", exact=True).click()
        expect(page.locator(".history .title", has_text=title).first).to_be_visible()
    page.get_by_label("Search", exact=True).fill("")


def cards(page: Page) -> Locator:
    return page.locator("#list .card:not(.skeleton)")


def titles(page: Page) -> list[str]:
    return page.locator("#list .card h3").all_inner_texts()


def expect_rung(page: Page, name: str) -> None:
    """The rung that the latest answer came from, wherever the page names it."""
    expect(page.locator(".rung.lit")).to_have_count(1)
    expect(page.locator(".rung.lit b")).to_have_text(name)
    expect(page.locator("#from .mark")).to_have_text(name)
    expect(page.locator(".receipt .mark")).to_have_text(name.lower())


def count(page: Page, name: str) -> int:
    return int(page.locator(f".counts .{name} dd").inner_text().replace(",", ""))


def count_reaches(page: Page, name: str, least: int) -> None:
    """Waits until so many answers came from a rung."""
    while count(page, name) < least:
        page.wait_for_timeout(50)


def become_somebody(page: Page) -> str:
    """Invents a person; their id."""
    page.get_by_role("radio", name="A person").check()
    page.get_by_role("button", name="Invent one").click()
    expect(page.get_by_text("Nothing is stored of")).to_be_visible()
    return page.get_by_label("User id").input_value()


def make(page: Page, fault: str) -> None:
    """Sets how the accelerator fares."""
    page.get_by_role("radio", name=fault).check()
