"""Which git repository an experiment comes from, and what of it is told: real ones, whatever state they are in."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from clusters import eventually

from raylab.client import git as git_module
from raylab.client import repository
from raylab.client.repository import Found, look

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def git(folder: Path, *words: str) -> str:
    """Run git as nobody in particular."""
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always"]
    return subprocess.run(
        ["git", *who, "-C", folder, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def made(folder: Path, name: str = "experiment.py", content: str = "x = 1\n") -> Path:
    """A repository with one commit of one file."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / name).write_text(content)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made(tmp_path / "lab")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's own, nothing of another test's."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("RAYLAB_DIFF", raising=False)
    monkeypatch.setattr(git_module, "_silent", {})
    monkeypatch.setattr(repository, "_remotes", {})


@pytest.fixture(autouse=True)
def patient(patient_git: None) -> None:
    """Git has the time it needs; where it hangs, a test says how long."""


def seen(place: Path, source: Path | None = None) -> Found:
    found = look([place], source)
    assert found is not None
    return found


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_clean_repository_is_told_by_its_commit(root: Path) -> None:
    (root / "deep" / "er").mkdir(parents=True)
    for place in (root, root / "experiment.py", root / "deep" / "er"):
        found = seen(place, root / "experiment.py")
        assert (found.tree.commit, found.tree.branch) == (git(root, "rev-parse", "HEAD"), "main")
        assert (found.tree.dirty, found.tree.remote, found.tree.trouble, found.diff) == (False, None, "", None)


def test_what_was_changed_is_a_diff_that_git_takes(root: Path) -> None:
    (root / "experiment.py").write_text("x = 2\n")
    (root / "staged.py").write_text("y = 1\n")
    git(root, "add", "staged.py")
    (root / "new").mkdir()
    (root / "new" / "data.csv").write_text("1\n")
    (root / "note ä.txt").write_text("n\n")
    found = seen(root)
    assert found.tree.dirty
    assert set(found.tree.untracked) == {"new/", "note ä.txt"}
    assert found.diff is not None
    git(root, "stash", "-q")
    (root.parent / "diff").write_bytes(found.diff)
    git(root, "apply", str(root.parent / "diff"))
    assert ((root / "experiment.py").read_text(), (root / "staged.py").read_text()) == ("x = 2\n", "y = 1\n")


def test_a_file_that_was_only_touched_is_not_in_the_diff(root: Path) -> None:
    for name in ("a.py", "z.py"):
        (root / name).write_text("y = 1\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "second")
    for name in ("a.py", "z.py"):
        os.utime(root / name, (1, 1))
    (root / "experiment.py").write_text("x = 2\n")
    diff = (seen(root).diff or b"").decode()
    assert [line for line in diff.splitlines() if line.startswith("diff")] == [
        "diff --git a/experiment.py b/experiment.py"
    ]
    (root / "experiment.py").write_text("x = 1\n")
    assert seen(root).diff is None


def test_untracked_files_make_nothing_dirty_but_the_experiments_own(root: Path) -> None:
    (root / "later").mkdir()
    own = root / "later" / "own.py"
    own.write_text("")
    assert seen(own).tree.dirty is False
    assert seen(own, root / "experiment.py").tree.dirty is False
    found = seen(own, own)
    assert (found.tree.dirty, found.diff) == (True, None)


def test_an_experiment_that_lies_elsewhere_is_not_in_the_commit(root: Path, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text("")
    library = tmp_path / "lib" / "python3.11" / "site-packages" / "fits.py"
    for source, dirty in ((tmp_path / "run.py", True), (library, False), (None, False)):
        found = look([root], source)
        assert found is not None
        assert found.tree.dirty is dirty, source


def test_of_many_untracked_files_the_first_are_named(root: Path) -> None:
    for number in range(repository.MOST_UNTRACKED + 7):
        (root / f"{number:04}.txt").touch()
    tree = seen(root).tree
    assert (len(tree.untracked), tree.more_untracked) == (repository.MOST_UNTRACKED, 7)
    assert tree.untracked[0] == "0000.txt"


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    (tmp_path / "experiment.py").touch()
    tree = seen(tmp_path, tmp_path / "experiment.py").tree
    assert (tree.commit, tree.branch, tree.dirty, tree.trouble) == (None, "trunk", True, "")
    assert tree.untracked == ("experiment.py",)


def test_no_branch_a_branch_with_slashes_and_a_worktree(root: Path) -> None:
    git(root, "checkout", "-q", "--detach")
    assert (seen(root).tree.branch, seen(root).tree.commit) == (None, git(root, "rev-parse", "HEAD"))
    other = root.parent / "other"
    git(root, "worktree", "add", "-q", "-b", "try/this", str(other))
    (other / "experiment.py").write_text("x = 3\n")
    assert (seen(other).tree.branch, seen(other).tree.dirty) == ("try/this", True)
    assert not seen(root).tree.dirty


def test_a_submodule_is_a_repository_of_its_own_and_tells_that_it_was_changed(root: Path) -> None:
    whole = made(root.parent / "whole", "main.py")
    git(whole, "submodule", "add", "-q", str(root), "part")
    git(whole, "commit", "-q", "-m", "part")
    own = whole / "part" / "experiment.py"
    assert seen(own, own).tree.commit == git(root, "rev-parse", "HEAD")
    assert seen(whole).tree.dirty is False
    (whole / "part" / "left.txt").touch()
    assert seen(whole).tree.dirty is False, "what git does not know makes nothing dirty, there neither"
    own.write_text("x = 9\n")
    found = seen(whole)
    assert found.tree.dirty
    assert b"-dirty" in (found.diff or b"")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://ada:hunter2@example.org/lab.git", "https://example.org/lab.git"),
        ("https://ghp_hunter2@example.org/lab.git?private_token=hunter2", "https://example.org/lab.git"),
        ("https://ada:hun/ter2@example.org:8443/lab.git", "https://example.org:8443/lab.git"),
        ("https://ada:hun?ter2@example.org/lab.git", "https://example.org/lab.git"),
        ("ssh://git:hunter2@example.org:22/lab.git", "ssh://git@example.org:22/lab.git"),
        ("ada:hunter2@example.org:lab.git", "example.org:lab.git"),
        ("git@example.org:lab.git", "git@example.org:lab.git"),
        ("foo::https://ada:hunter2@example.org/lab", "foo::https://example.org/lab"),
        ("ext::sh -c hunter2", "ext::…"),
        ("https://[::1]:8080/lab.git", "https://[::1]:8080/lab.git"),
        ("../lab@home.git", "../lab@home.git"),
    ],
)
def test_the_address_of_the_remote_holds_nothing_that_lets_somebody_in(root: Path, address: str, told: str) -> None:
    git(root, "remote", "add", "origin", address)
    assert seen(root).tree.remote == told


def test_the_remote_is_the_one_that_the_branch_follows(root: Path) -> None:
    git(root, "remote", "add", "alpha", "https://example.org/alpha")
    assert seen(root).tree.remote == "https://example.org/alpha"
    git(root, "remote", "add", "origin", "https://example.org/origin")
    assert seen(root).tree.remote == "https://example.org/origin"
    git(root, "remote", "add", "mine", "https://example.org/mine")
    git(root, "config", "branch.main.remote", "mine")
    assert seen(root).tree.remote == "https://example.org/mine"
    git(root, "config", "branch.main.remote", ".")
    assert seen(root).tree.remote == "https://example.org/origin"


def test_the_nearest_place_that_lies_in_a_repository_counts(root: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "other", "code.py", "y = 1\n")
    plain = tmp_path / "plain"
    plain.mkdir()
    assert look([plain]) is None
    assert look([]) is None
    found = look([plain / "gone.py", other / "code.py", root])
    assert found is not None
    assert found.tree.commit == git(other, "rev-parse", "HEAD")


def test_a_file_that_is_called_as_a_repository_is_none(root: Path) -> None:
    (inner := root / "inner").mkdir()
    (inner / ".git").write_text("no such thing\n")
    found = look([inner, root])
    assert found is not None
    assert found.tree.commit == git(root, "rev-parse", "HEAD")


def test_a_large_diff_is_cut_at_a_line_and_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "DIFF_BYTES", 10_000)
    (root / "experiment.py").write_text("".join(f"line {number}\n" for number in range(1_000_000)))
    found = seen(root)
    assert found.tree.cut
    assert found.diff is not None
    assert 9_900 < len(found.diff) <= 10_000
    assert found.diff.endswith(b"\n")
    assert found.tree.trouble == "", "git is not waited for that still has lines to say"
    (root / "experiment.py").write_text("x = 2\n")
    assert not seen(root).tree.cut


def test_bytes_that_are_no_text_are_kept_as_they_are(root: Path) -> None:
    (root / "experiment.py").write_bytes(b"# caf\xe9\n")
    odd = os.fsencode(root) + b"/odd-\xff.bin"
    with open(odd, "wb") as file:  # noqa: PTH123
        file.write(b"\0\1\2")
    found = seen(root)
    assert b"caf\xe9" in (found.diff or b"")
    assert found.tree.untracked == ("odd-\\xff.bin",)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "odd")
    with open(odd, "wb") as file:  # noqa: PTH123
        file.write(b"\0\1\3")
    found = seen(root)
    assert found.tree.dirty
    assert b"Binary files" in (found.diff or b"")


def test_the_diff_is_left_out_where_the_person_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "experiment.py").write_text("PASSWORD = 'hunter2'\n")
    for word in ("0", "no", "False", " off "):
        monkeypatch.setenv("RAYLAB_DIFF", word)
        found = seen(root)
        assert (found.tree.dirty, found.diff, found.tree.cut) == (True, None, False)
    for word in ("1", "", "yes"):
        monkeypatch.setenv("RAYLAB_DIFF", word)
        assert seen(root).diff is not None


def test_nothing_that_a_person_has_set_runs_or_changes_the_answer(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.txt").write_text("one\ntwo\n")
    (root / ".gitattributes").write_text("*.txt diff=shown\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "second")
    (root / "a.txt").write_text("one\nthree\n")
    plain = seen(root)
    log = tmp_path / "ran"
    trap = script(tmp_path / "trap", f"echo $0 >> {log}; cat")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "fsmonitor-watchman", "pre-commit"):
        script(hooks / hook, f"echo {hook} >> {log}")
    for name, value in {
        "core.pager": trap,
        "diff.external": trap,
        "diff.shown.textconv": trap,
        "diff.shown.command": trap,
        "core.fsmonitor": trap,
        "core.hooksPath": hooks,
        "color.ui": "always",
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "diff.context": "0",
        "diff.orderFile": trap,
        "diff.wordRegex": ".",
        "status.showUntrackedFiles": "no",
        "status.short": "true",
    }.items():
        git(root, "config", name, str(value))
    for name in ("GIT_PAGER", "GIT_EXTERNAL_DIFF", "PAGER"):
        monkeypatch.setenv(name, str(trap))
    monkeypatch.setenv("GIT_DIFF_OPTS", "-u0")
    monkeypatch.setenv("GIT_TRACE", "1")
    assert seen(root) == plain
    assert not log.exists(), log.read_text()


def test_variables_of_another_repository_have_no_part_in_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As inside a hook of git's."""
    other = made(tmp_path / "other", "code.py", "y = 1\n")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    commit = seen(root).tree.commit
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name)
    assert commit == git(root, "rev-parse", "HEAD")


def test_nothing_is_written_into_the_repository(root: Path) -> None:
    (root / "experiment.py").write_text("x = 1\n")  # the same again, with another time: git would note that
    os.utime(root / "experiment.py", (1, 1))
    before = {path: path.stat().st_mtime_ns for path in (root / ".git").rglob("*")}
    assert not seen(root).tree.dirty
    assert {path: path.stat().st_mtime_ns for path in (root / ".git").rglob("*")} == before


def test_without_git_only_that_is_told(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = seen(root)
    assert (found.tree.commit, found.tree.dirty, found.diff) == (None, None, None)
    assert "no git here" in found.tree.trouble
    script(tmp_path / "git", "exit 0").chmod(0o600)
    assert "git cannot be run" in seen(root).tree.trouble or os.geteuid() == 0


HANGING_S = 3.0
"""How long a git that hangs is waited for: 600 times what one takes that does not."""


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A git that does not come to the end with some of its verbs; makes it, and gives its log."""
    real = shutil.which("git")
    (folder := tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(repository, "LIMIT_S", HANGING_S)

    def make(verbs: str) -> Path:
        log = tmp_path / "left"
        # Another process holds its streams, too.
        hang = f"sleep 60 & echo $! >> {log}; sleep 60"
        script(folder / "git", f'case "$*" in {verbs}) {hang};; *) exec {real} "$@";; esac')
        return log

    return make


def test_a_git_that_hangs_is_not_waited_for_and_not_asked_again(
    root: Path, hanging: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, commit = hanging('*" status --porc"*'), git(root, "rev-parse", "HEAD")
    for _ in range(3):
        tree = seen(root).tree
        assert (tree.commit, tree.branch, tree.dirty) == (commit, "main", None)
        assert "did not answer in time" in tree.trouble
        assert "status" in tree.trouble
    left = log.read_text().split()
    assert len(left) == 1, "it was asked once"
    eventually(lambda: not any(is_running(int(pid)) for pid in left))
    monkeypatch.setattr(git_module, "_silent", {})
    hanging("nothing")
    assert seen(root).tree.dirty is False


def test_where_only_the_diff_takes_too_long_the_rest_is_known(root: Path, hanging: Callable[[str], Path]) -> None:
    (root / "experiment.py").write_text("x = 2\n")
    hanging('*" diff --no"*')
    found = seen(root)
    assert (found.tree.dirty, found.diff) == (True, None)
    assert "asked for: diff" in found.tree.trouble


def test_a_git_that_answers_nothing_at_all_is_waited_for_once(
    root: Path, hanging: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = hanging("*")
    for limit in ("LIMIT_S", "QUICK_S"):
        monkeypatch.setattr(repository, limit, 0.5)
    asked = []
    for _ in range(2):
        tree = seen(root).tree
        assert (tree.commit, tree.dirty) == (None, None)
        assert "did not answer in time" in tree.trouble
        asked.append(log.read_text() if log.exists() else "")
    assert asked[1] == asked[0]


def test_a_repository_of_somebody_else_is_told_as_git_tells_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_module, "_KEPT", (*git_module._KEPT, "GIT_TEST_"))
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    tree = seen(root).tree
    assert (tree.commit, tree.dirty) == (None, None)
    assert "safe.directory" in tree.trouble
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    assert seen(root).tree.commit, "what the person allows is allowed"


def test_a_damaged_repository_is_told_as_git_tells_it(root: Path) -> None:
    commit = git(root, "rev-parse", "HEAD")
    (root / ".git" / "index").write_bytes(b"none")
    tree = seen(root).tree
    assert (tree.commit, tree.branch, tree.dirty) == (commit, "main", None)
    assert "git says" in tree.trouble


def test_a_folder_that_was_deleted_is_in_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert look([Path("experiment.py")]) is None
