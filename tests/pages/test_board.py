"""A board in a real browser: it shows a lab, keeps up with it, outlives it, and answers nobody else."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import Sight, chromium
from clusters import eventually

import raylab
import raylab.testing
from raylab.client.resting import OnDisk
from raylab.offline import Notebook
from raylab.pages.asking import Asking
from raylab.pages.board import app
from raylab.pages.serving import HERE, Server, listening
from raylab.pages.watch import Gallery, Watch

TOKEN = "-t0ken_"


class Labs:
    """A lab in memory that can end, be at rest, and be started again on its notebook."""

    def __init__(self, notebook: Path) -> None:
        self.notebook = notebook
        self._ends: Any = None
        self.trouble: Exception | None = None
        self.start()

    def start(self) -> raylab.Lab:
        self._ends = raylab.testing.lab("percolation", notebook=self.notebook)
        self.lab = self._ends.__enter__()
        self.at_work = True
        return self.lab

    def end(self) -> None:
        self.at_work = False
        self._ends.__exit__(None, None, None)

    def look(self) -> Any:
        if self.trouble is not None:
            raise self.trouble
        return self.lab._client if self.at_work else _Resting(Notebook(self.notebook), self)


class _Resting(OnDisk):
    def __init__(self, notebook: Notebook, labs: Labs) -> None:
        super().__init__(notebook)
        self._labs = labs

    @property
    def remark(self) -> str:
        return "the lab is at rest"

    def woke(self) -> bool:
        return self._labs.at_work or self._labs.trouble is not None


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@contextmanager
def served(labs: Labs, port: int = 0) -> Iterator[str]:
    """A board of this lab; its address."""
    asker = Asking(labs.look, rest_s=0.05)
    watch, gallery, ready = Watch(asker), Gallery(asker), threading.Event()
    place = listening(port)
    server = Server(app(watch, gallery, TOKEN), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield f"http://{HERE}:{place.getsockname()[1]}/{TOKEN}/"
    finally:
        server.should_exit = True
        thread.join(60)
        place.close()
        watch.end()
        gallery.end()


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    made = Labs(tmp_path_factory.mktemp("board") / "lab")
    yield made
    if made.at_work:
        made.end()


@pytest.fixture(scope="module")
def address(labs: Labs) -> Iterator[str]:
    with served(labs) as found:
        yield found


def answer(address: str, method: str = "GET", **headers: str) -> tuple[int, bytes, Any]:
    request = urllib.request.Request(
        address, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as found:
            return found.status, found.read(), found.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def gated(x: int, gate: str) -> dict[str, int]:
    import os
    import time

    while not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.02)
    if x == 3:
        raise ValueError("no fit at three")
    return {"y": 2 * x}


# what one sees ----------------------------------------------------------------------------------------------------


def test_a_board_shows_what_comes_in_by_itself_and_asks_nothing_of_the_network(
    browser: Any, labs: Labs, address: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with Sight(browser, address) as whole:
        labs.lab.submit(gated, {"x": range(5), "gate": [str(gate)]}, name="held é%")
        whole.shows("held é%")
        with Sight(browser, address) as one:
            one.page.get_by_role("link", name="held é%").click()
            one.shows("What was asked")
            assert one.page.url == f"{address}s/held%20%C3%A9%25"
            assert "none yet" in one.text()
            gate.touch()
            one.shows("no fit at three")
            one.shows("Results over all trials")
            whole.shows("100%")
            eventually(lambda: one.page.title() == "held é% · percolation", 60)
            for sight in (whole, one):
                hosts = {urlsplit(each).netloc for each in sight.asked if not each.startswith("data:")}
                assert hosts == {urlsplit(address).netloc}
                assert sight.complaints == []
                assert "Traceback" not in sight.text()


@pytest.mark.parametrize("width", [390, 800])
def test_a_board_fits_a_phone_in_either_scheme(browser: Any, labs: Labs, address: str, width: int) -> None:
    labs.lab.submit(lambda x: {"y": x, "z": "W" * 300}, {"x": range(3)}, name="W" * 100, description="long " * 40)
    with Sight(browser, address, width=width, scheme="dark") as sight:
        sight.shows("W" * 100)
        assert not sight.is_too_wide
        assert sight.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 23, 30)"
        sight.page.get_by_role("link", name="W" * 100).click()
        sight.shows("What was asked")
        assert not sight.is_too_wide


def test_a_board_outlives_its_lab_and_says_what_is_the_matter(browser: Any, tmp_path: Path) -> None:
    labs = Labs(tmp_path / "lab")
    labs.lab.submit(lambda x: {"y": x}, {"x": range(3)}, name="first").wait(progress=False)
    with served(labs) as address, Sight(browser, address) as sight:
        sight.shows("first")
        labs.end()
        sight.shows("the lab is at rest")
        labs.trouble = raylab.errors.LabUnavailable("the connection is lost: call ray.shutdown()")
        sight.shows("the lab does not answer; its cluster has ended, or cannot be reached")
        assert "first" in sight.text()
        labs.trouble = None
        labs.start().submit(lambda x: {"y": x}, {"x": range(3)}, name="second")
        sight.shows("second")
        assert "does not answer" not in sight.text()
        assert "Traceback" not in sight.text()
        assert sight.complaints == []
    labs.end()


def test_a_browser_says_that_its_board_is_gone_and_comes_back_by_itself(
    browser: Any, labs: Labs, tmp_path: Path
) -> None:
    with served(labs) as address:
        sight = Sight(browser, address)
        sight.shows("percolation")
    with sight:
        sight.shows("no connection to the board since")
        with served(labs, urlsplit(address).port or 0):
            eventually(lambda: "no connection" not in sight.text(), 60)


def test_what_is_selected_or_opened_stays_so(browser: Any, labs: Labs, address: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    labs.lab.submit(gated, {"x": range(5), "gate": [str(gate)]}, name="opened")
    with Sight(browser, f"{address}s/opened") as sight:
        sight.shows("What was asked")
        sight.page.locator("summary").click()
        sight.page.locator("details[open]").wait_for()
        gate.touch()
        sight.shows("Results over all trials")
        assert sight.page.locator("details[open]").count() == 1


def test_a_sweep_that_is_not_there_is_a_sentence(browser: Any, address: str) -> None:
    with Sight(browser, f"{address}s/nothing") as sight:
        sight.shows("has no sweep 'nothing'")
    assert answer(f"{address}s/nothing")[0] == 404


# who may look -----------------------------------------------------------------------------------------------------


def test_nobody_without_the_token_learns_anything(address: str) -> None:
    base = address.removesuffix(f"{TOKEN}/")
    for path in (
        "",
        "favicon.ico",
        "s/coarse",
        TOKEN[:-1],
        f"{TOKEN}x/",
        f"x/{TOKEN}/",
        f"?token={TOKEN}",
        "%00",
        "//",
    ):
        for method in ("GET", "POST", "OPTIONS"):
            status, body, _ = answer(base + path, method)
            assert (status, body) == (404, b""), path


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil", "", "127.0.0.1@evil"])
def test_a_name_that_was_made_to_mean_this_machine_does_not(address: str, host: str) -> None:
    assert answer(address, Host=host)[:2] == (404, b"")


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "LOCALHOST:9000", "[::1]:80", "[::1]"])
def test_the_near_end_of_a_tunnel_does(address: str, host: str) -> None:
    assert answer(address, Host=host)[0] == 200


def test_a_board_can_only_be_read(address: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert answer(address, method)[:2] == (405, b"")
    status, body, _ = answer(address, "HEAD")
    assert (status, body) == (200, b"")


def test_pages_are_kept_by_nobody_and_framed_by_nobody(address: str) -> None:
    _, body, headers = answer(address)
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers
    assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"https://" not in body


def test_what_has_not_changed_is_not_sent_again(address: str) -> None:
    status, body, headers = answer(f"{address}?part")
    assert status == 200
    assert b"<html" not in body
    marks = [headers["ETag"]]

    def is_the_same() -> bool:  # as soon as nothing of the lab changes between two requests
        status, body, headers = answer(f"{address}?part", If_None_Match=marks[-1])
        marks.append(headers["ETag"])
        return (status, body) == (304, b"")

    eventually(is_the_same)
    assert answer(f"{address}?part", If_None_Match='"another"')[0] == 200


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with listening(0) as taken:
        taken.listen()
        with pytest.raises(ValueError, match="give another one, or leave --port out"):
            listening(taken.getsockname()[1])
