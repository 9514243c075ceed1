from pathlib import Path

import pytest

from wtal.errors import ConfigError
from wtal.io.shipped import find_config, shipped_configs, summary_of

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def test_every_configuration_is_found_by_its_name_and_described(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = shipped_configs()
    assert {CONFIGS / name for name in shipped} == set(CONFIGS.rglob("*.yaml"))
    for name, path in shipped.items():
        assert find_config(Path(name)) == find_config(Path("configs") / name) == path
        assert len(summary_of(path)) > 10, name


def test_a_file_comes_before_a_shipped_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("synthetic.yaml").touch()
    assert find_config(Path("synthetic.yaml")) == Path("synthetic.yaml")
    assert find_config(CONFIGS / "custom.yaml") == CONFIGS / "custom.yaml"


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("b_only.yaml", "did you mean ablations/b_only.yaml?"),
        ("thumos14/collaboration", "sound/collaboration.yaml or thumos14/collaboration.yaml?"),
        ("thumos14/colaboration.yaml", "thumos14/collaboration.yaml"),
        ("mine.yaml", "`wtal configs` lists all of them."),
        ("constraints.txt", "`wtal configs` lists all of them."),
        ("../configs/synthetic.yaml", "synthetic.yaml"),
    ],
)
def test_what_is_not_found_is_suggested(name, way_out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigError, match=f"{name} does not exist, and no shipped configuration has this name"
    ) as error:
        find_config(Path(name))
    assert way_out in str(error.value)


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("# One thing. Another.\na: 1\n", "One thing"),
        ("a: {b: 1}  # what it does: this\n", "what it does: this"),
        ("a: 1\n", ""),
    ],
)
def test_a_summary_is_the_first_sentence_of_the_first_comment(text, summary, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    assert summary_of(tmp_path / "a.yaml") == summary
