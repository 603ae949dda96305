"""The pictures of docs/playground.md: `run.py screenshots.take --base http://127.0.0.1:PORT --out docs/playground`."""

from pathlib import Path

from playwright.sync_api import Page, expect
from steps import SPACE, cards, count_reaches, expect_rung, like, make

# Seconds of the strip chart before and after the cable is pulled.
MANY = 24
# What a picture may weigh in a repository.
LIMIT = 200_000


def take(page: Page, out: Path) -> None:
    def shoot(name: str, top: str = ".masthead", only: bool = False) -> None:
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        page.locator(top).evaluate("element => element.scrollIntoView({block: 'start', behavior: 'instant'})")
        page.wait_for_timeout(600)
        (page.locator(top) if only else page).screenshot(path=out / f"{name}.png")
        weight = (out / f"{name}.png").stat().st_size
        assert weight < LIMIT, f"{name}: {weight} bytes"

    out.mkdir(parents=True, exist_ok=True)
    page.set_viewport_size({"width": 1320, "height": 840})
    make(page, "Unplugged")
    like(page, *SPACE, "Stalker")
    page.get_by_role("switch", name="Keep asking").click()
    count_reaches(page, "function", MANY)
    page.get_by_role("button", name="Plug in an accelerator").click()
    expect_rung(page, "Accelerator")
    count_reaches(page, "accelerator", 2 * MANY)
    shoot("light")
    page.emulate_media(color_scheme="dark")
    shoot("dark")
    page.emulate_media(color_scheme="light")
    page.get_by_role("button", name="Pull the cable").click()
    expect_rung(page, "Function")
    count_reaches(page, "function", 3 * MANY)
    shoot("cable")
    page.get_by_role("button", name="Invent 200 people").click()
    expect(page.get_by_role("link", name="Download the 200 answers")).to_be_visible()
    shoot("batch", "#batch", only=True)
    make(page, "Unplugged")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(cards(page)).to_have_count(10)
    shoot("phone", "#answers")
