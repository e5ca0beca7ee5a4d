"""A window of the demo page, as a person uses it: by what it shows and what can be clicked."""

from dataclasses import dataclass, field
from typing import Self

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

# A heartbeat is 12 s, jittered; whatever heals by it is there after this.
HEARTBEAT_MS = 16_000


@dataclass
class Heart:
    """The heart of one card."""

    card: Locator

    @property
    def button(self) -> Locator:
        """What is pressed."""
        return self.card.locator("like-button [part=button]")

    def tap(self) -> None:
        """Presses it."""
        self.button.click()

    def shows(self, count: int, *, liked: bool, pending: bool = False, within_ms: int = 10_000) -> None:
        """Waits until count, fill and pending state are these."""
        expect(self.card.locator("like-button #summary")).to_have_text(
            f"{count} like" if count == 1 else f"{count} likes", timeout=within_ms
        )
        expect(self.button).to_have_attribute("aria-pressed", "true" if liked else "false", timeout=within_ms)
        state = expect(self.button)
        (state.to_have_attribute if pending else state.not_to_have_attribute)("data-pending", "", timeout=within_ms)

    def complains(self, text: str) -> None:
        """Waits until the reason of a rollback is readable."""
        expect(self.card.locator("like-button [part=message]")).to_have_text(text)


@dataclass
class Window:
    """One tab with the feed."""

    page: Page
    errors: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, context: BrowserContext, username: str | None) -> Self:
        """Opens the page and waits until the feed is there and live."""
        window = cls(context.new_page())
        window.page.on("pageerror", lambda error: window.errors.append(error.stack or str(error)))
        window.page.on("console", window._note)
        window.page.goto(f"/?as={username}" if username else "/")
        expect(window.page.locator("#who")).to_have_value(username or "")
        expect(window.page.locator("article").first).to_be_visible()
        window.is_connected("live")
        return window

    def _note(self, message: ConsoleMessage) -> None:
        # Chromium itself logs requests that fail, which many tests want; what scripts report as errors, none does.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def heart(self, post_id: str) -> Heart:
        """The heart of a post in the feed."""
        return Heart(self.page.locator(f"[id='post:{post_id}']"))

    def is_connected(self, state: str, within_ms: int = 20_000) -> None:
        """Waits until the indicator shows `live`, `polling` or `offline`."""
        expect(self.page.locator("#connection")).to_have_attribute("data-state", state, timeout=within_ms)

    @property
    def unread(self) -> Locator:
        """The unread count on the bell."""
        return self.page.locator("like-notifications [part=badge]")
