"""What a person asks for, checked before anything is stored: the words."""

from __future__ import annotations

from typing import Any

import pytest

from raylab.client.submission import check_if_exists
from raylab.errors import DesignError


@pytest.mark.parametrize("word", ["fail", "extend", "continue", "replace"])
def test_the_words_of_if_exists(word: str) -> None:
    check_if_exists(word)


@pytest.mark.parametrize("word", ["Replace", "", None, 3, ["fail"], "overwrite"])
def test_any_other_word_is_refused_with_the_words(word: Any) -> None:
    with pytest.raises(DesignError, match="'fail' or 'extend' or 'continue' or 'replace'; got"):
        check_if_exists(word)
