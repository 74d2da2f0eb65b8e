"""Texts that differ in numbers, ids and temporary folders are alike; those that differ in words are not."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.alike import MAX_TEXT, normalised


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("took 12 steps of 1e-5, 3.50 and -7", "took # steps of #, # and #"),
        ("1,000,000 of 2_000", "# of #"),
        ("numpy 1.26.4, float64, x1 and L2_norm stay", "numpy #, float64, x1 and L2_norm stay"),
        ("<object at 0x7F3a>: 0xdeadbeef.", "<object at #>: #."),
        ("[1. 2.5]", "[#. #]"),
        (".5 and 5.", "# and #."),
        ("0.1234567890123456789", "#"),
        ("1/2 and 1.5/2.5", "#/# and #/#"),
        ("", ""),
        ("3" * 10_000, "#"),
        ("x" * 10_000, "x" * MAX_TEXT),
        ("layer_3 of 'x_17'", "layer_# of 'x_#'"),
        ("id 123e4567-e89b-12d3-a456-426614174000 is gone", "id # is gone"),
        ("digest 0123456789abcdef0123456789abcdef", "digest #"),
        ("/tmp/tmpab_12cd3/in/a.csv and /tmp/a.csv", "/tmp/#/in/a.csv and /tmp/a.csv"),
        ("/private/var/folders/zz/abc/T/work/x.bin", "/private/var/folders/zz/abc/T/#/x.bin"),
        ("'/scratch/tmpq0w2e3r4'", "'/scratch/tmp#'"),
        ("tmp_results and tmpfolder", "tmp_results and tmpfolder"),
        ("[Errno 2] No such file or directory: 'run17.csv'", "[Errno #] No such file or directory: 'run#.csv'"),
        ("/data/run17/v2.csv", "/data/run#/v#.csv"),
        ("'float64' and 'x17'", "'float64' and 'x17'"),
    ],
)
def test_what_differs_from_trial_to_trial_is_left_out(text: str, expected: str) -> None:
    assert normalised(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("name 'alpha' is not defined", "name 'beta' is not defined"),
        ("could not convert string to float: 'a'", "could not convert string to float: 'b'"),
        ("/data/a.csv", "/data/b.csv"),
        ("/tmp/alpha.csv", "/tmp/beta.csv"),
        ("float32", "float64"),
    ],
)
def test_what_differs_in_words_is_not_alike(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@given(st.text(alphabet="ab/_'.0 -", max_size=30), st.integers(0, 10**12), st.integers(0, 10**12))
def test_texts_are_alike_whatever_number_stands_in_them(text: str, one: int, other: int) -> None:
    assert normalised(f"{text} {one} {text}") == normalised(f"{text} {other} {text}")


@pytest.mark.parametrize("piece", ["a", "a/", "/tmp/", "'", "a'", "1_", "tmp", "0a", "-", "a1.", "/var/folders/"])
def test_no_text_takes_long(piece: str) -> None:
    started = process_time()
    normalised(piece * 100_000)
    assert process_time() - started < 10, "it takes hundredths, or minutes"
