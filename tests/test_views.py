import pytest

from wtal.errors import ConfigError
from wtal.views import CBP, FUSED, VLP, View


def test_the_default_pair_keeps_the_names_of_its_files():
    assert [view.name for view in (CBP, VLP, FUSED)] == ["cbp", "vlp", "fused"]
    assert (CBP.streams, VLP.streams) == (("i3d",), ("clip",))


def test_a_title_is_the_name_where_none_is_given():
    assert View("hand").title == "hand"
    assert View("hand", title="Hand").title == "Hand"


@pytest.mark.parametrize("name", ["", "a/b", "..", "ground_truth", "truth", "a b", "é"])
def test_a_name_that_no_file_can_have_is_refused(name: str):
    with pytest.raises(ConfigError, match="cannot be called"):
        View(name)
