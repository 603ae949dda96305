"""For everybody: narrow screens, a keyboard alone, a screen reader, and titles that mean harm."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from steps import SPACE, become_somebody, cards, expect_rung, like, make

# How often Tab may be pressed on the way to something: the page has fewer stops.
STOPS = 150


def a_phone_has_everything_and_scrolls_one_way(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    like(page, *SPACE)
    expect_rung(page, "Function")
    page.get_by_role("button", name="Plug in an accelerator").click()
    expect_rung(page, "Accelerator")
    strip = page.locator("#strip")
    expect(strip).to_be_visible()
    expect(strip).to_contain_text("Accelerator")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360, f"{wide} pixels wide"
    for button in page.locator("button:visible").all():
        box = button.bounding_box()
        assert box["x"] >= 0 or button.get_attribute("class") == "chip", button.inner_text()
    strip.click()
    expect(page.locator("#ladder h2")).to_be_in_viewport()


def a_keyboard_is_enough(page: Page) -> None:
    keys = page.keyboard
    for title in SPACE:
        keys.press("/")
        expect(page.get_by_label("Search", exact=True)).to_be_focused()
        keys.press("Control+a")
        keys.type(title)
        expect(page.locator(".titles .title").first).to_have_text(title)
        keys.press("ArrowDown")
        keys.press("Enter")
        expect(page.locator(".history .title").first).to_have_text(title)
    expect_rung(page, "Function")
    tab_to(page, "button.pull")
    keys.press("Enter")
    expect_rung(page, "Accelerator")
    keys.press("Space")
    expect(page.locator(".pull")).to_have_text("Put the cable back")
    expect_rung(page, "Function")
    # A card's own button: whoever likes a recommendation keeps their place in the list.
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    tab_to(page, "#list .act.like")
    keys.press("Enter")
    expect(page.locator(".receipt")).to_contain_text("4 used")
    assert page.evaluate("document.activeElement.closest('#list .card') !== null")
    tab_to(page, "#trouble input[type=radio]")
    keys.press("ArrowRight")
    expect(page.get_by_role("radio", name="Too slow")).to_be_checked()
    tab_to(page, "#trouble [role=switch]")
    keys.press("Space")
    expect(page.get_by_role("switch", name="Profile store down")).to_have_attribute("aria-checked", "true")


def tab_to(page: Page, selector: str) -> None:
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            assert page.evaluate(
                "getComputedStyle(document.activeElement).outlineStyle !== 'none' || document.activeElement.type === 'radio'"
            )
            return
    raise AssertionError(f"Tab does not lead to {selector}")


def axe_finds_nothing(page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        inspect(page, f"{scheme}, at first")
    become_somebody(page)
    like(page, *SPACE)
    page.get_by_label("Search", exact=True).fill("the")
    for fold in page.locator("details:visible > summary").all():
        fold.click()
    for fault in ("Working", "Cable cut", "Nonsense"):
        make(page, fault)
        expect(page.locator(".rung.lit b")).to_have_text("Accelerator" if fault == "Working" else "Function")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            inspect(page, f"{scheme}, {fault}")
    page.get_by_role("switch", name="Profile store down").click()
    cards(page).first.get_by_role("button").first.click()
    expect(page.get_by_role("alert")).to_be_visible()
    inspect(page, "dark, the store down")
    page.set_viewport_size({"width": 360, "height": 740})
    inspect(page, "dark, narrow")


def inspect(page: Page, when: str) -> None:
    found = Axe().run(page).response["violations"]
    told = [(one["impact"], one["id"], [node["target"] for node in one["nodes"]]) for one in found]
    assert not told, f"{when}: {told}"


def markup_in_a_title_is_text(page: Page) -> None:
    expect(page.locator(".card h3").first).to_contain_text("<")
    like(page, "<script>window.harm = 1</script>")
    expect_rung(page, "Function")
    expect(page.locator(".words").first).to_contain_text("<script>window.harm = 1</script>")
    assert page.evaluate("window.harm") is None
    assert page.locator("#list script, #list img, .titles img, .history b").count() == 0


def the_policy_lets_nothing_else_run_or_ask(page: Page) -> None:
    """What the page would do if somebody got their text in as markup. (Asked for here by the test, by other means.)"""
    broken = page.evaluate("""async () => {
      const broken = [];
      document.addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
      const script = document.createElement("script");
      script.textContent = "window.harm = 1";
      document.body.append(script);
      const image = document.createElement("img");
      image.setAttribute("onerror", "window.harm = 2");
      image.src = "http://localhost:9/x.png";
      document.body.append(image);
      document.body.setAttribute("style", "color: red");
      await fetch("http://localhost:9/").catch(() => {});
      const frame = document.createElement("iframe");
      frame.src = "/docs";
      document.body.append(frame);
      await new Promise((resolve) => setTimeout(resolve, 300));
      return broken;
    }""")
    assert page.evaluate("window.harm") is None
    for directive in ("script-src-elem", "script-src-attr", "img-src", "style-src-attr", "connect-src", "frame-src"):
        assert directive in broken, (directive, broken)


# The browser says in its log what the policy kept it from.
the_policy_lets_nothing_else_run_or_ask.may_complain = True
