from typing import Any

import numpy as np
import pytest

from wtal.errors import ConfigError
from wtal.io.given import listed, numbers, one_or_more


@pytest.mark.parametrize("given", [["run", "jump"], ("run", "jump"), np.array(["run", "jump"]), {"run": 1, "jump": 2}])
def test_names(given: Any) -> None:
    assert listed("class_names", given) == ["run", "jump"]
    assert one_or_more("class_names", given) == ["run", "jump"]


@pytest.mark.parametrize("given", ["run", 3, None, [1, 2]])
def test_what_is_no_list_of_names_is_refused_by_name(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"`class_names` is .*: give a list of names"):
        listed("class_names", given)


def test_one_name_is_a_list_of_one() -> None:
    assert one_or_more("videos", "run") == ["run"]
    with pytest.raises(ConfigError, match="`videos` is 3: give a list of names"):
        one_or_more("videos", 3)  # type: ignore[arg-type]


def test_numbers() -> None:
    assert numbers("tious", 0.5) == (0.5,)
    assert numbers("tious", np.array([0.25, 0.5], np.float32)) == (0.25, 0.5)
    for wrong in ("0.5", ["0.5"], None):
        with pytest.raises(ConfigError, match=r"`tious` is .*: give a list of numbers"):
            numbers("tious", wrong)  # type: ignore[arg-type]
