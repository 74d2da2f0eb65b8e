"""Where labs have their notebooks: remembered by name, never guessed, never hidden by a new one."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from homes import listed, made

from raylab.errors import NameRefused, NotebookDamaged
from raylab.notebook import layout
from raylab.offline import Notebook
from raylab.server import known_labs
from raylab.server.known_labs import home, known, look, place_of, remember

pytestmark = pytest.mark.usefixtures("own_home")


def test_the_home_is_where_the_environment_says(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home() == own_home
    monkeypatch.setenv("RAYLAB_HOME", "~/elsewhere")
    assert home() == Path.home() / "elsewhere"
    for value in ("", None):
        monkeypatch.setenv("RAYLAB_HOME", value) if value is not None else monkeypatch.delenv("RAYLAB_HOME")
        assert home() == Path.home() / "raylab"


def test_a_new_lab_gets_a_folder_of_its_name_and_nothing_is_made_by_asking(own_home: Path) -> None:
    assert known() == []
    assert Path(place_of("new", None)) == own_home / "new"
    assert Path(place_of("new", "/data/x")) == Path("/data/x")
    assert Path(place_of("new", "~/x")) == Path.home() / "x"
    assert not own_home.exists()


def test_labs_are_known_wherever_they_lie(own_home: Path, tmp_path: Path) -> None:
    here = made("here", own_home / "here")
    there = made("there", tmp_path / "data" / "somewhere")
    assert listed() == {"here": str(here), "there": str(there)}
    assert (place_of("here", None), place_of("there", None)) == (str(here), str(there))
    assert [place.user for place in known()] == ["ada", "ada"]
    assert all(place.created and not place.trouble for place in known())
    assert not (own_home / "here.place").exists()  # it lies where one looks first


def test_another_place_for_a_known_lab_is_refused(own_home: Path, tmp_path: Path) -> None:
    made("a", own_home / "a")
    there = made("b", tmp_path / "there")
    (tmp_path / "link").symlink_to(there)
    for same in (str(there), str(tmp_path / "link"), str(tmp_path / "x" / ".." / "there")):
        assert Path(place_of("b", same)).resolve() == there
    for name in ("a", "b"):
        with pytest.raises(NameRefused, match=f"the lab '{name}' has its notebook in .*, not in /other"):
            place_of(name, "/other")


def test_who_remembers_another_place_later_is_refused(own_home: Path, tmp_path: Path) -> None:
    made("b", tmp_path / "there")
    remember("b", str(tmp_path / "there"))
    for other in (tmp_path / "other", Path("/there")):
        with pytest.raises(NameRefused, match="the lab 'b' has its notebook in"):
            remember("b", str(other))
    assert listed() == {"b": str(tmp_path / "there")}


def test_a_place_that_is_the_end_of_another_is_another(own_home: Path, tmp_path: Path) -> None:
    made("b", tmp_path / "there")
    with pytest.raises(NameRefused):
        remember("b", str(Path("/", *(tmp_path / "there").parts[2:])))


def test_a_notebook_that_is_gone_is_not_begun_anew(own_home: Path, tmp_path: Path) -> None:
    there = made("b", tmp_path / "disk" / "b")
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    for notebook in (None, str(there)):
        with pytest.raises(NotebookDamaged, match=rf"in {re.escape(str(there))}, and there is none now.*b\.place"):
            place_of("b", notebook)
    (place,) = known()
    assert (place.name, place.user) == ("b", "")
    assert "there is no notebook in" in place.trouble
    (tmp_path / "unplugged").rename(tmp_path / "disk")
    assert Path(place_of("b", None)) == there
    shutil.rmtree(there)
    (own_home / "b.place").unlink()
    assert Path(place_of("b", str(there))) == there


def test_a_damaged_notebook_is_known_by_its_folder_and_says_why(own_home: Path) -> None:
    made("a", own_home / "a")
    (own_home / "a" / layout.NOTEBOOK).write_text("{")
    (place,) = known()
    assert (place.name, place.notebook) == ("a", str(own_home / "a"))
    assert "is not what raylab writes" in place.trouble
    assert Path(place_of("a", None)) == own_home / "a"  # opening it tells the damage


def test_a_copy_of_a_notebook_does_not_take_its_place(own_home: Path) -> None:
    made("lab", own_home / "lab")
    for copy in ("a-copy", "zz-copy"):
        shutil.copytree(own_home / "lab", own_home / copy)
    assert listed() == {"lab": str(own_home / "lab")}
    assert Path(place_of("lab", None)) == own_home / "lab"


def test_a_renamed_folder_is_still_the_labs(own_home: Path) -> None:
    made("lab", own_home / "lab")
    (own_home / "lab").rename(own_home / "better-name")
    assert listed() == {"lab": str(own_home / "better-name")}
    assert Path(place_of("lab", None)) == own_home / "better-name"


def test_other_things_in_the_home_are_no_labs(own_home: Path) -> None:
    made("a", own_home / "a")
    (own_home / "some folder").mkdir()
    (own_home / "notes.txt").write_text("mine")
    (own_home / "odd.place").write_bytes(b"\xff\xfe\n")
    (own_home / "folder.place").mkdir()
    assert {place.name for place in known()} == {"a", "odd"}


def test_no_lab_can_be_called_like_the_file_that_says_where_one_is() -> None:
    with pytest.raises(NameRefused, match=r"'a\.place' cannot be the name of a lab"):
        place_of("a.place", None)


def test_what_is_asked_of_a_folder_itself(tmp_path: Path) -> None:
    made("lab", tmp_path / "x")
    assert (look("y", str(tmp_path / "x")).name, look("y", str(tmp_path / "x")).user) == ("lab", "ada")
    assert look("y", str(tmp_path / "none")).trouble == f"there is no notebook in {tmp_path / 'none'}"
    (tmp_path / "file").write_text("")
    assert "ot a directory" in look("y", str(tmp_path / "file")).trouble


def test_a_lab_moves_to_a_copy_of_its_notebook_and_to_a_copy_of_that(own_home: Path, tmp_path: Path) -> None:
    for name, old in (("a", own_home / "a"), ("b", tmp_path / "there")):
        made(name, old)
        one, two = tmp_path / f"{name}-one", tmp_path / f"{name}-two"
        Notebook(old).copy(one)
        Notebook(one).copy(two)
        assert place_of(name, str(two)) == str(two)
        assert place_of(name, None) == str(old), "it was only asked"
        remember(name, str(two))
        assert (place_of(name, None), listed()[name]) == (str(two), str(two))
        for stale in (old, one):
            with pytest.raises(NameRefused, match=f"has its notebook in .*{name}-two, not in"):
                place_of(name, str(stale))
            with pytest.raises(NameRefused, match=f"has its notebook in .*{name}-two, not in"):
                remember(name, str(stale))
        remember(name, str(two))
    Notebook(tmp_path / "a-two").copy(tmp_path / "back")
    (own_home / "a").rename(tmp_path / "away")
    (tmp_path / "back").rename(own_home / "a")
    remember("a", str(own_home / "a"))
    assert place_of("a", None) == str(own_home / "a")


def test_of_a_notebook_that_is_gone_a_copy_goes_on_once_its_pointer_is_deleted(own_home: Path, tmp_path: Path) -> None:
    there = made("b", tmp_path / "there")
    Notebook(there).copy(tmp_path / "copy")
    shutil.rmtree(there)
    with pytest.raises(NotebookDamaged, match=r"delete .*b\.place to begin a new one, or to go on with a copy"):
        place_of("b", str(tmp_path / "copy"))
    (own_home / "b.place").unlink()
    assert place_of("b", str(tmp_path / "copy")) == str(tmp_path / "copy")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_notebook_that_may_not_be_read_is_not_taken_for_gone(own_home: Path, tmp_path: Path) -> None:
    there = made("b", tmp_path / "there")
    there.chmod(0)
    try:
        assert Path(place_of("b", None)) == there
    finally:
        there.chmod(0o700)


def test_why_a_notebook_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / layout.NOTEBOOK).mkdir()
    assert look("lab", tmp_path).trouble == f"Is a directory ({tmp_path / layout.NOTEBOOK})"


def test_a_lab_is_hidden_and_shown_again(own_home: Path, tmp_path: Path) -> None:
    made("here", own_home / "here")
    made("there", tmp_path / "there")
    for name in ("here", "there"):
        for undo in (False, False, True, True):
            known_labs.archive(name, "ada", undo)
            assert {place.name for place in known() if place.archived} == (set() if undo else {name})
    known_labs.archive("here", "ada", undo=False)
    assert place_of("here", None) == str(own_home / "here")
    with pytest.raises(NameRefused, match=r"'x.archived' cannot be the name of a lab"):
        place_of("x.archived", None)
