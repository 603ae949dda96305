"""Runs one case of the playground's page in a real Chromium: a function of one of the modules beside this file.

Fails when the case does, and when the page logged an error, threw one, or broke its own Content-Security-Policy.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Error as PlaywrightError, Page, expect, sync_playwright

# Whatever a browser does by itself, on the network and for beauty.
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1440, "height": 900}
# Longest wait for anything, in milliseconds: only what hangs reaches it.
HUNG_MS = 60_000
# What Chromium itself logs of an answer of the API that is no success. The page shows these; the cases look at that.
EXPECTED = "Failed to load resource: "


# Several browsers that start at once on a small machine now and then lose one, before it has loaded anything.
STARTS = 3


def launched(playwright, folder: Path, browser: str):
    """A browser with a profile of its own. One that ends while it starts is started again, and that is said."""
    for start in range(1, STARTS + 1):
        try:
            return playwright.chromium.launch_persistent_context(
                folder / str(start), executable_path=browser, args=ARGUMENTS, headless=True, viewport=DESKTOP
            )
        except PlaywrightError as error:
            if start == STARTS:
                raise
            print(f"start {start} of the browser failed: {str(error).splitlines()[0]}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("case", help="MODULE.FUNCTION")
    parser.add_argument("--base", required=True, help="the service, http://127.0.0.1:PORT")
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--out", type=Path, help="where a case that writes files puts them")
    options = parser.parse_args()
    module, function = options.case.split(".")
    case = getattr(importlib.import_module(module), function)
    faults: list[str] = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = launched(playwright, Path(profile), options.browser)
        context.set_default_timeout(HUNG_MS)
        expect.set_options(timeout=HUNG_MS)
        page = context.pages[0]
        if not getattr(case, "may_complain", False):
            watch(page, faults)
        page.goto(f"{options.base}/")
        page.wait_for_selector(".card:not(.skeleton)")
        if options.out:
            case(page, options.out)
        else:
            case(page)
        context.close()
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def watch(page: Page, faults: list[str]) -> None:
    """Notes what goes wrong beside what a case looks at."""

    def logged(message: ConsoleMessage) -> None:
        is_expected = message.text.startswith(EXPECTED) and "/v1/" in message.location["url"]
        if message.type in ("error", "warning") and not is_expected:
            faults.append(f"console: {message.text}")

    page.on("console", logged)
    page.on("pageerror", lambda error: faults.append(f"thrown: {error}"))


if __name__ == "__main__":
    sys.exit(main())
