"""A runtime_env taken apart: what tasks are told, what travels as code, what is another experiment, what is refused."""

from __future__ import annotations

import pytest
from ray.runtime_env import RuntimeEnv

from raylab.client.runtime_env import environment, environment_ingredients
from raylab.core.difference import differences
from raylab.errors import DesignError


def test_words_of_ray_stay_and_files_travel(tmp_path):
    (tmp_path / "table.csv").write_text("1")
    (tmp_path / "x.tmp").write_text("1")
    (tmp_path / "pkg").mkdir()
    given = {
        "pip": ["scipy"],
        "env_vars": {"A": "1"},
        "working_dir": str(tmp_path),
        "excludes": ["*.tmp"],
        "py_modules": [str(tmp_path / "pkg")],
    }
    for each in (given, RuntimeEnv(**{name: value for name, value in given.items() if name != "pip"})):
        made = environment({}, each)
        assert list(made.files) == ["table.csv"]
        assert made.include == (str(tmp_path / "pkg"),)
        assert made.words["env_vars"] == {"A": "1"}
        assert not {"working_dir", "excludes", "py_modules"} & set(made.words)
        assert made.remark == ""


@pytest.mark.parametrize(
    ("word", "meant"),
    [("pipp", "'pip'"), ("envvars", "'env_vars'"), ("workingdir", "'working_dir'"), ("condaa", "'conda'"), ("xyz", "")],
)
def test_a_word_that_nobody_reads_is_refused_and_the_one_that_was_meant_is_named(word, meant):
    with pytest.raises(DesignError, match=f"the word '{word}', which nobody reads.*image_uri.*.*{meant}"):
        environment({}, {word: ["a"]})


def test_what_is_no_runtime_env_is_refused():
    for bad in ("pip", ["pip"], 3):
        with pytest.raises(DesignError, match="runtime_env is a dict"):
            environment({}, bad)
    with pytest.raises(DesignError, match="_nsight"):
        environment({}, {"_nsight": "default"})
    with pytest.raises(DesignError, match="excludes"):
        environment({}, {"excludes": ["a"]})
    with pytest.raises(DesignError, match=r"pip names the file 'no-such-file\.txt'"):
        environment({}, {"pip": "no-such-file.txt"})


def test_files_that_name_packages_are_read_here(tmp_path):
    (tmp_path / "requirements.txt").write_text("scipy==1.0\nnumpy\n")
    (tmp_path / "environment.yml").write_text("name: x\ndependencies: [scipy]\n")

    listed = environment({}, {"pip": str(tmp_path / "requirements.txt")}).words["pip"]
    assert listed["packages"] == ["scipy==1.0", "numpy"]
    assert environment({}, {"conda": str(tmp_path / "environment.yml")}).words["conda"]["dependencies"] == ["scipy"]
    assert environment({}, {"conda": "a-name"}).words["conda"] == "a-name"


def test_packages_of_the_job_are_taken_over_and_its_files_are_told_not_to_travel():
    job = {"pip": {"packages": ["a"]}, "env_vars": {"A": "1"}, "working_dir": "gcs://x.zip", "py_modules": ["gcs://y"]}

    made = environment(job, {"pip": ["b"], "env_vars": None})
    assert made.words == {"pip": ["b"], "env_vars": {"A": "1"}}
    assert "the working_dir and py_modules of this process's job" in made.remark
    assert "runtime_env={'working_dir': '.'}" in made.remark
    assert "py_modules of" in environment(job, {"working_dir": "."}).remark
    assert environment({"pip": ["a"]}, None).remark == ""


def changes(old, new):
    return differences(environment_ingredients(old), environment_ingredients(new))


def test_another_environment_is_another_experiment():
    assert changes({}, {}) == changes({"pip": ["a"]}, {"pip": ["a"]}) == []
    assert changes({"pip": ["a==1"]}, {"pip": ["a==2"]}) == ["environment pip: ['a==2'], was ['a==1']"]
    assert changes({}, {"conda": "x"}) == ["environment conda: 'x', is new"]
    assert changes({"image_uri": "a"}, {}) == ["environment image_uri: no longer used"]
    assert changes({"config": {"eager_install": True}}, {"config": {"eager_install": False}}) == []


@pytest.mark.parametrize("word", ["pip", "uv"])
def test_the_same_packages_are_the_same_however_they_were_said(word):
    assert changes({word: ["a"]}, {word: RuntimeEnv(**{word: ["a"]})[word]}) == []
    assert changes({word: ["a"]}, {word: {"packages": ["a"], f"{word}_check": True}}) != []


def test_of_secrets_only_the_names_are_shown():
    old, new = {"env_vars": {"KEY": "secret-1", "A": "1"}}, {"env_vars": {"KEY": "secret-2", "A": "1"}}

    assert changes(old, new) == ["environment env_vars KEY: its value has changed"]
    assert changes(old, old) == []
    shown = "".join(environment_ingredients(old).values()) + "".join(changes({}, old))
    assert "secret" not in shown
    index = {"pip": ["--index-url https://user:token@host/simple", "a"]}
    assert "token" not in "".join(environment_ingredients(index).values())
