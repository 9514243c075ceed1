"""Heads that score a snippet by itself and what came before."""

from functools import partial

import pytest
import torch

from wtal.errors import ConfigError
from wtal.nn.heads import (
    ACMHead,
    AnchoredTextHead,
    AttentionMILHead,
    BaSNetHead,
    CO2Head,
    DELUHead,
    MixtureHead,
    TextHead,
    UMHead,
    ZeroShotHead,
)

CLASSES = ["run", "jump", "throw"]


def shaken(head):
    """A head whose corrections are not zero, in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    for parameter in head.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return head.eval()


def heads_of(text):
    small = {"text": text, "dim": 16, "width": 8, "heads": 2, "causal": True, "attended": 6}
    anchored = partial(AnchoredTextHead, **small)
    return {
        "attention_mil": (lambda: AttentionMILHead(CLASSES, in_dim=16, hidden=8, causal=True), 4),
        "basnet": (lambda: BaSNetHead(CLASSES, in_dim=16, hidden=8, filter_dim=8, causal=True), 2),
        "anchored": (lambda: anchored(CLASSES), 4 + 6 + 2),
        "anchored, deep": (lambda: anchored(CLASSES, depth=2, smoothing=5), 4 + 12 + 4),
        "text": (lambda: TextHead(CLASSES, **small), 4 + 6),
        "mixture": (lambda: MixtureHead(CLASSES, [anchored, partial(anchored, smoothing=1)], [16, 16]), 4 + 6 + 2),
        "zero_shot": (lambda: ZeroShotHead(CLASSES, text=text, past=7), 7),
    }


@pytest.mark.parametrize(
    "name", ["attention_mil", "basnet", "anchored", "anchored, deep", "text", "mixture", "zero_shot"]
)
def test_a_score_depends_on_exactly_the_snippets_that_the_head_says(name, text):
    make, past = heads_of(text)[name]
    torch.manual_seed(0)
    head, width = shaken(make()), 32 if name == "mixture" else 16
    assert head.past == past
    features, mask = torch.randn(1, 60, width), torch.ones(1, 60, dtype=torch.bool)
    whole, place = head(features, mask), 40
    cut = slice(place - past, place + 1)
    alone = head(features[:, cut], mask[:, cut])
    for key in ("plain", "suppressed", "attention", "embedding"):  # neither what is later nor what is earlier counts
        torch.testing.assert_close(getattr(alone, key)[0, -1], getattr(whole, key)[0, place], rtol=1e-5, atol=1e-5)
    earlier = features.clone()
    earlier[0, place - past] = 5 * torch.randn(width)
    assert (head(earlier, mask).plain[0, place] != whole.plain[0, place]).any() or name == "zero_shot"


def test_scores_come_late_by_half_of_what_a_window_sees(text):
    lags = {name: make().lag for name, (make, _) in heads_of(text).items()}
    assert lags == {
        "attention_mil": 2, "basnet": 1, "anchored": 1, "anchored, deep": 2, "text": 0, "mixture": 0.5, "zero_shot": 0
    }  # fmt: skip
    assert AttentionMILHead(CLASSES, in_dim=16).lag == BaSNetHead(CLASSES, in_dim=16).lag == 0
    assert AnchoredTextHead(CLASSES, text=text, dim=16).lag == 0


@pytest.mark.parametrize("name", ["attention_mil", "basnet", "anchored", "text"])
def test_a_causal_head_has_the_weights_of_the_other_one(name, text):
    """So that a checkpoint of either loads into either."""
    make, _ = heads_of(text)[name]
    small = {"text": text, "dim": 16, "width": 8, "heads": 2}
    plain = {
        "attention_mil": lambda: AttentionMILHead(CLASSES, in_dim=16, hidden=8),
        "basnet": lambda: BaSNetHead(CLASSES, in_dim=16, hidden=8, filter_dim=8),
        "anchored": lambda: AnchoredTextHead(CLASSES, **small),
        "text": lambda: TextHead(CLASSES, **small),
    }[name]()
    make().load_state_dict(plain.state_dict())
    assert plain.past is None


def test_heads_without_a_causal_form_say_that_they_see_what_comes_later(text):
    heads = [CO2Head, UMHead, DELUHead, ACMHead]
    assert [head(CLASSES, in_dim=16).past for head in heads] == [None] * 4
    assert ZeroShotHead(CLASSES, text=text).past is None
    whole, back = (
        partial(AnchoredTextHead, text=text, dim=16),
        partial(AnchoredTextHead, text=text, dim=16, causal=True),
    )
    assert MixtureHead(CLASSES, [back, whole], [16, 16]).past is None
    with pytest.raises(ConfigError, match="attended"):
        AnchoredTextHead(CLASSES, text=text, dim=16, causal=True, attended=-1)
