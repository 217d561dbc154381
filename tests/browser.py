"""Chromium as officers use it: a profile each, with a passkey of its own, and nothing that a page says unheard.

A ``Desk`` fails its test for whatever Chromium writes to its console: a script's error, a breach of the content security
policy, an answer that the test did not expect (``refused`` says which it does).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Locator, Page, expect, sync_playwright

from tests.components import require

WIDE, NARROW = 1280, 390
"""Pixels: an office's screen, and a telephone."""

_HEIGHT = 800
_PATIENCE = 20_000
"""Milliseconds after which what must happen has failed to. It takes much less."""
_AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
_AXE = """async () => (await axe.run(document)).violations
    .filter(found => ["serious", "critical"].includes(found.impact))
    .map(found => `${found.id}: ${found.nodes.map(node => node.target.join(" ")).join(", ")}`)"""
_FOCUSED = "() => document.activeElement !== document.body"
_OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@contextmanager
def chromium(locale: str = "ja") -> Iterator[Browser]:
    """Debian's Chromium in this language, if chromium-l10n is there; without Chromium the test is skipped.

    For a module at most: while it runs, asyncio runs in this thread, and what wants asyncio for itself cannot.
    """
    # Chromium refuses to run in its sandbox as root.
    options = [f"--lang={locale}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    path = require("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(path), args=options, env=os.environ | {"LANGUAGE": locale}
        )
        yield browser
        browser.close()


@cache
def axe_source() -> str:
    """axe-core, as the package of that name brings it; it is run by the test, not by the page, whose policy forbids it."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def focused(page: Page) -> None:
    """Wait until something has the focus: before that the first letters go nowhere."""
    page.wait_for_function(_FOCUSED)


@dataclass
class Desk:
    """An officer's browser.

    Attributes:
        complaints: What Chromium wrote to its console, and nobody expected.
        interactions: Keys that were pressed so far, a text that was typed counted as one.
    """

    browser: Browser
    origin: str
    language: str = "ja-JP"
    width: int = WIDE
    complaints: list[str] = field(default_factory=list)
    interactions: int = 0
    _passkeys: list[dict[str, Any]] = field(default_factory=list)

    context: BrowserContext = field(init=False)
    page: Page = field(init=False)
    _cdp: CDPSession = field(init=False)
    _authenticator: str = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Open the browser: without cookies, but with the passkeys that its user had."""
        self.context = self.browser.new_context(
            base_url=self.origin,
            viewport={"width": self.width, "height": _HEIGHT},
            device_scale_factor=1,
            locale=self.language,
            timezone_id="Asia/Tokyo",
            reduced_motion="reduce",
            accept_downloads=True,
        )
        self.context.set_default_timeout(_PATIENCE)
        self.context.on("console", lambda said: self._hear(f"{said.type}: {said.text}"))
        self.context.on("weberror", lambda error: self._hear(f"error: {error.error}"))
        self.page = self.context.new_page()
        self._cdp = self.context.new_cdp_session(self.page)
        self._cdp.send("WebAuthn.enable")
        made = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR})
        self._authenticator = made["authenticatorId"]
        for passkey in self._passkeys:
            self._cdp.send(
                "WebAuthn.addCredential", {"authenticatorId": self._authenticator, "credential": passkey}
            )

    def close(self) -> None:
        """Close it. The passkeys stay with the officer."""
        self.require_quiet()
        found = self._cdp.send("WebAuthn.getCredentials", {"authenticatorId": self._authenticator})
        self._passkeys = found["credentials"]
        self.context.close()

    def require_quiet(self) -> None:
        """Fail if Chromium complained."""
        self.page.evaluate("() => 0")  # what it says is heard in its turn
        assert not self.complaints, "\n".join([self.page.url, *self.complaints])

    @contextmanager
    def refused(self, status: int) -> Iterator[None]:
        """Within it one answer of this status is expected, of which Chromium complains."""
        self.require_quiet()
        yield
        self.page.evaluate("() => 0")
        said, self.complaints[:] = self.complaints[:], []
        assert [f"status of {status}" in line for line in said] == [True], (self.page.url, said)

    def _hear(self, words: str) -> None:
        if words.startswith(("error:", "warning:")):
            self.complaints.append(words)

    # What officers do

    def go(self, path: str) -> None:
        """Open a page by its address."""
        self.page.goto(path)

    def at(self, path: str) -> None:
        """Wait until this page is there, whatever its query says."""
        self.page.wait_for_url(lambda url: url.removeprefix(self.origin).partition("?")[0] == path)

    def press(self, key: str) -> None:
        """One interaction: a key."""
        self.interactions += 1
        self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        """One interaction: a text, typed into whatever has the focus, a key after the other."""
        self.interactions += 1
        self.page.keyboard.type(text)

    def enter(self, path: str) -> None:
        """Press Enter on what the page has given the focus to, and wait for this page."""
        focused(self.page)
        self.press("Enter")
        self.at(path)

    def write(self, name: str, text: str) -> Locator:
        """Type into the field of this name, in the place of what is there."""
        place = self.page.locator(f"input[name={name}], textarea[name={name}]").first
        place.fill("")
        place.press_sequentially(text)
        return place

    def problem(self, name: str) -> Locator:
        """Where the problem of this field is said."""
        return self.page.locator(f"#{name}-problem")

    def button(self, action: str) -> Locator:
        """The button of the form that is sent there."""
        return self.page.locator(f'form[action="{action}"] button').last

    def send(self, action: str) -> None:
        """Press that button twice as fast as one can, and wait for the page that follows."""
        with self.page.expect_navigation():
            self.button(action).dblclick()

    def read(self) -> str:
        """What stands on the page."""
        return self.page.locator("main").inner_text()

    # Passkeys

    def enrol(self, code: str) -> None:
        """Enrol a passkey with a code, by the keyboard alone."""
        self.go("/enrol")
        focused(self.page)
        self.type(code)
        self._enter_from("/enrol")

    def sign_in(self) -> None:
        """Sign in with the passkey, by the keyboard alone."""
        self.go("/sign-in")
        self._enter_from("/sign-in")

    def _enter_from(self, path: str) -> None:
        focused(self.page)
        self.press("Enter")
        self.page.wait_for_url(lambda url: not url.endswith(path))

    # What a page has to be

    def require_accessible(self) -> None:
        """Fail if axe finds anything serious, or the page is wider than the screen; at both widths."""
        for width in (WIDE, NARROW):
            self.page.set_viewport_size({"width": width, "height": _HEIGHT})
            assert self.page.evaluate(_OVERFLOW) == 0, f"{self.page.url} overflows at {width} pixels"
            self.page.evaluate(axe_source())
            found = self.page.evaluate(_AXE)
            assert not found, f"{self.page.url} at {width} pixels: {'; '.join(found)}"
        self.page.set_viewport_size({"width": self.width, "height": _HEIGHT})


__all__ = ["NARROW", "WIDE", "Browser", "Desk", "axe_source", "chromium", "expect"]
