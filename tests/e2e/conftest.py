"""Real pages for end-to-end tests: one Chromium, and in it windows of different people on the running stack."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize, expect, sync_playwright

from tests.e2e.author import Author
from tests.e2e.window import Window
from tests.stack import Stack

# What has to happen happens within a second or two; the rest is for a machine that is busy with other things.
expect.set_options(timeout=20_000)

_DESK: ViewportSize = {"width": 1280, "height": 900}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _browser_path() -> str:
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        pytest.fail("No Chromium is found: install it, or say in CHROMIUM where it is.")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each test has contexts of its own."""
    # Chromium's sandbox refuses to run as root, as containers and build machines do.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=_browser_path(), args=arguments)
        yield chromium
        chromium.close()


@dataclass
class Windows:
    """Opens windows; by default each in a context of its own, as on a device of its own."""

    stack: Stack
    browser: Browser
    opened: list[Window] = field(default_factory=list)

    def device(self, viewport: ViewportSize | None = None) -> BrowserContext:
        """A browser profile of its own."""
        context = self.browser.new_context(base_url=self.stack.url, viewport=viewport or _DESK)
        context.set_default_timeout(20_000)
        return context

    def open(self, username: str | None = None, device: BrowserContext | None = None) -> Window:
        """A window with the feed, signed in as somebody or as a visitor."""
        window = Window.open(device or self.device(), username)
        self.opened.append(window)
        return window


@pytest.fixture
def windows(stack: Stack, browser: Browser) -> Iterator[Windows]:
    """The windows of one test. At its end none may have met an error of its script."""
    made = Windows(stack, browser)
    yield made
    errors = [error for window in made.opened for error in window.errors]
    for context in {window.page.context for window in made.opened}:
        context.close()
    assert errors == []


@pytest.fixture(scope="session")
def authors(stack: Stack) -> Iterator[str]:
    """The names of people whose posts everybody sees, without those who tap hearts in tests."""
    known = ",".join(user.username for user in stack.users if user.username not in {"bob", "carol", "david"})
    public = {"privacy_level": "eq.public", "username": f"in.({known})", "select": "username", "order": "username"}
    with Author.sign_in(stack, "alice") as alice:
        answer = alice.api.get("/rest/v1/users", params=public)
    return iter([user["username"] for user in answer.raise_for_status().json()])


@pytest.fixture
def author(stack: Stack, authors: Iterator[str]) -> Iterator[Author]:
    """Somebody who can post, another person in each test, so that no test hears of the likes of another.

    The bell is silent at first. A fresh post is at the top of everybody's feed, and nobody likes it but the test.
    """
    with Author.sign_in(stack, next(authors)) as signed_in:
        signed_in.read_notifications()
        yield signed_in
