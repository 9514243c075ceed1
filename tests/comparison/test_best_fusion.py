from wtal.collaboration import Fusion
from wtal.comparison.best_fusion import Weights, candidates
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
