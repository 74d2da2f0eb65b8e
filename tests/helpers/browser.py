"""A real Chromium for the tests: pages as people see them, and all that they ask of a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of playwright's; skips where there is none (CI installs Debian's)."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no chromium on the PATH; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root it needs that; without a GPU and with little shared memory it runs in containers, too.
        words = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=path, args=words, timeout=100_000)
        try:
            yield browser
        finally:
            browser.close()


class Sight:
    """A page in a browser, what it asked for, and what its scripts complained of.

    Args:
        browser: of `chromium`.
        address: of the page.
        width: of the window.
        scheme: light or dark.
    """

    def __init__(self, browser: Any, address: str, *, width: int = 1200, scheme: str = "light") -> None:
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.page.set_default_timeout(60_000)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.goto(address)

    def __enter__(self) -> Sight:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()

    def shows(self, text: str) -> None:
        """Wait until the page shows a text."""
        self.page.get_by_text(text).first.wait_for()

    def text(self) -> str:
        """What it shows."""
        found: str = self.page.inner_text("body")
        return found

    @property
    def is_too_wide(self) -> bool:
        """Whether one has to scroll sideways."""
        found: bool = self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        return found
