import pytest

from wtal.collaboration import Fusion
from wtal.comparison.best_fusion import Weights, candidates, without_segments
from wtal.data import CustomDataModule
from wtal.localization.localizer import Localizer


def test_the_configured_weights_come_first_and_none_comes_twice():
    configured = Weights.of(Fusion(0.5, 0.25, 0.75), Localizer(attention_weight=0.36))
    tried = candidates(configured)
    assert tried[0] == configured == Weights(0.5, 0.25, 0.75, 0.36)
    assert len(set(tried)) == len(tried) == 24
    assert {weights.attention_weight for weights in tried} == {0.36, 0.0}


def test_without_actionness_its_share_is_not_varied():
    tried = candidates(Weights.of(Fusion(0.1, 0.8, 0.1), Localizer(attention_weight=0)))
    assert {weights.attention for weights in tried if weights.attention_weight == 0} == {0.8}
    assert {weights.attention_weight for weights in tried} == {0.4, 0.0}


@pytest.mark.parametrize(
    ("header", "videos", "problem"),
    [
        ("video,label,subset", 9, "labels.csv have no segments"),
        ("video,label,subset,start,end", 1, "leaves none to validate on"),
        ("video,label,subset,start,end", 9, ""),
    ],
)
def test_nothing_is_fitted_without_segments_of_held_out_training_videos(tmp_path, header, videos, problem):
    lines = [f"v{n},dive,train,1,2" for n in range(videos)] + ["w,dive,test,1,2"]
    rows = [",".join(line.split(",")[: header.count(",") + 1]) for line in lines]
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows]))
    found = without_segments(CustomDataModule(tmp_path / "labels.csv", held_out=0.3))
    assert problem in found
    assert bool(problem) == bool(found)
