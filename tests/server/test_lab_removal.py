"""A lab that is deleted as a whole: its notebook, and its name on this node."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from homes import listed, made

from raylab.errors import NotebookDamaged
from raylab.notebook import layout
from raylab.server import known_labs
from raylab.server.known_labs import home, known, place_of
from raylab.server.lab_removal import is_left, remove

pytestmark = pytest.mark.usefixtures("own_home")

WRITER = {"user": "ada", "actor": "raylab rm"}


def delete(name: str) -> None:
    while not remove(name, WRITER):
        pass


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_lab_that_is_deleted_is_not_known_and_its_name_is_free(
    own_home: Path, tmp_path: Path, elsewhere: bool
) -> None:
    place = tmp_path / "there" if elsewhere else own_home / "mistyped"
    made("mistyped", place)
    kept = made("kept", own_home / "kept")
    known_labs.archive("mistyped", "ada", undo=False)
    delete("mistyped")
    assert not place.exists()
    assert listed() == {"kept": str(kept)}
    assert sorted(path.name for path in own_home.iterdir()) == ["kept", "tmp"]
    assert remove("mistyped", WRITER), "it is gone already"
    made("mistyped", tmp_path / "third")
    assert listed() == {"kept": str(kept), "mistyped": str(tmp_path / "third")}


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_deletion_that_was_cut_leaves_a_lab_that_is_gone_and_is_carried_out(
    own_home: Path, tmp_path: Path, elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = made("mistyped", tmp_path / "there" if elsewhere else own_home / "mistyped")
    (place / "code").mkdir()
    (place / "code" / f"{0:064}.pkl").touch()
    with monkeypatch.context() as patch:
        patch.setattr("raylab.notebook.demolition.AT_ONCE", 1)
        assert not remove("mistyped", WRITER)
    assert (place / layout.REMOVING).exists()
    assert listed() == {}
    assert is_left("mistyped")
    if elsewhere:  # it may begin anew before anybody goes on
        made("mistyped", tmp_path / "third")
        assert listed() == {"mistyped": str(tmp_path / "third")}
    else:
        assert place_of("mistyped", None) == str(place)
        delete("mistyped")
        assert not place.exists()
        assert not is_left("mistyped")


def test_a_lab_whose_folder_somebody_took_away_is_forgotten(tmp_path: Path) -> None:
    shutil.rmtree(made("gone", tmp_path / "there"))
    with pytest.raises(NotebookDamaged):
        place_of("gone", None)
    assert remove("gone", WRITER)
    assert known() == []
    assert Path(place_of("gone", None)) == home() / "gone"
