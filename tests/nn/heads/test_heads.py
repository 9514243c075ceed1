import pytest
import torch

from wtal.errors import FeatureError
from wtal.functional.pooling import topk_pool
from wtal.nn.heads import (
    ACMHead,
    AnchoredTextHead,
    AttentionMILHead,
    BaSNetHead,
    CO2Head,
    DELUHead,
    TextHead,
    UMHead,
    ZeroShotHead,
)

CLASSES = ["run", "jump", "throw"]


@pytest.fixture(params=["attention_mil", "basnet", "co2", "um", "delu", "acm", "anchored", "text", "zero_shot"])
def head(request, text):
    torch.manual_seed(0)
    return {
        "attention_mil": lambda: AttentionMILHead(CLASSES, in_dim=16, hidden=8),
        "basnet": lambda: BaSNetHead(CLASSES, in_dim=16, hidden=8, filter_dim=8),
        "co2": lambda: CO2Head(CLASSES, in_dim=16, hidden=8, attention_dim=8),
        "um": lambda: UMHead(CLASSES, in_dim=16, hidden=8, margin=0.7),
        "delu": lambda: DELUHead(CLASSES, in_dim=16, hidden=8, attention_dim=8),
        "acm": lambda: ACMHead(CLASSES, in_dim=16, hidden=8),
        "anchored": lambda: AnchoredTextHead(CLASSES, text=text, dim=16, width=8, heads=2),
        "text": lambda: TextHead(CLASSES, text=text, dim=16, width=8, heads=2),
        "zero_shot": lambda: ZeroShotHead(CLASSES, text=text),
    }[request.param]().eval()


def outputs(out):
    return {name: getattr(out, name) for name in ("cas", "background", "attention", "embedding", "plain", "suppressed")}


def test_shapes_and_ranges(head):
    out = head(torch.randn(2, 9, 16), torch.ones(2, 9, dtype=torch.bool))
    assert out.cas.shape == (2, 9, 3)
    assert out.background.shape == out.attention.shape == (2, 9)
    assert out.plain.shape == out.suppressed.shape == (2, 9, 4)
    assert 0 <= out.attention.min() <= out.attention.max() <= 1


def test_padding_and_other_videos_change_nothing(head):
    features = torch.randn(1, 7, 16)
    alone = outputs(head(features, torch.ones(1, 7, dtype=torch.bool)))
    padded = torch.full((2, 12, 16), 50.0)
    padded[0, :7] = features
    padded[1] = torch.randn(12, 16)
    mask = torch.arange(12) < torch.tensor([7, 12])[:, None]
    among = outputs(head(padded, mask))
    for name, value in alone.items():
        torch.testing.assert_close(among[name][:1, :7], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", ["random", "zeros", "one snippet", "huge"])
def test_losses_and_gradients_are_finite(head, case):
    if isinstance(head, ZeroShotHead):
        with pytest.raises(NotImplementedError):
            head.losses(None, None, None)
        return
    length = 1 if case == "one snippet" else 9
    features = torch.randn(2, length, 16) * {"zeros": 0.0, "huge": 1e4}.get(case, 1.0)
    mask = torch.ones(2, length, dtype=torch.bool)
    labels = torch.tensor([[1.0, 0, 0], [1, 1, 0]])
    head.train()
    terms = head.losses(head(features, mask), mask, labels)
    sum(terms.values()).backward()
    assert all(torch.isfinite(term) for term in terms.values())
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)


CBP_HEADS = [AttentionMILHead, BaSNetHead, CO2Head, UMHead, DELUHead, ACMHead]


@pytest.mark.parametrize("kind", CBP_HEADS)
def test_one_class_is_enough(kind):
    head, mask = kind(["run"], in_dim=16, hidden=8), torch.ones(2, 5, dtype=torch.bool)
    terms = head.losses(head(torch.randn(2, 5, 16), mask), mask, torch.tensor([[1.0], [0.0]]))
    assert all(torch.isfinite(term) for term in terms.values())


@pytest.mark.parametrize("kind", CBP_HEADS)
def test_losses_do_not_see_padding(kind):
    torch.manual_seed(0)
    head, labels = kind(CLASSES, in_dim=16, hidden=8).eval(), torch.tensor([[1.0, 0, 1]])
    features, mask = torch.randn(1, 20, 16), torch.ones(1, 20, dtype=torch.bool)
    alone = head.losses(head(features, mask), mask, labels)
    features, mask = torch.cat([features, torch.full((1, 9, 16), 50.0)], 1), torch.arange(29)[None] < 20
    padded = head.losses(head(features, mask), mask, labels)
    torch.testing.assert_close(padded, alone)


@pytest.mark.parametrize("kind", CBP_HEADS)
def test_every_parameter_learns(kind):
    torch.manual_seed(0)
    head, mask = kind(CLASSES, in_dim=16, hidden=8), torch.ones(2, 20, dtype=torch.bool)
    terms = head.losses(head(torch.randn(2, 20, 16), mask), mask, torch.tensor([[1.0, 0, 0], [1, 1, 0]]))
    sum(terms.values()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in head.parameters())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (AttentionMILHead, {"input_dropout": 0.0, "dropout": 0.0}),
        (UMHead, {"dropout": 0.0, "margin": 1.25}),
        (ACMHead, {"dropout": 0.0, "drop_snippets": 0.0}),
        (DELUHead, {"attention_dim": 16, "dropout": 0.0, "classifier_dropout": 0.0}),
    ],
)
def test_a_head_learns_the_video_labels(kind, options):
    torch.manual_seed(0)
    head = kind(CLASSES, in_dim=8, **{"hidden": 16, **options})
    features = torch.randn(9, 20, 8) * 0.1
    labels = torch.eye(3).repeat(3, 1)
    for row in range(9):
        features[row, 5:10, [row % 3, 4 + row % 3]] += 3  # in RGB and in flow
    mask = torch.ones(9, 20, dtype=torch.bool)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(200):
        loss = sum(head.losses(head(features, mask), mask, labels).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    video = topk_pool(head(features, mask).suppressed, mask)[:, :3]
    assert torch.equal(video.argmax(dim=1), labels.argmax(dim=1))


def test_features_of_another_width_are_refused():
    with pytest.raises(FeatureError, match=r"have 20 channels, but the head expects 16: set the head's `in_dim`"):
        AttentionMILHead(CLASSES, in_dim=16, hidden=8)(torch.zeros(1, 4, 20), torch.ones(1, 4, dtype=torch.bool))


def test_basnet_embeds_the_filtered_features():
    torch.manual_seed(0)
    head, mask = BaSNetHead(CLASSES, in_dim=16, hidden=8).eval(), torch.arange(9) < torch.tensor([9, 4])[:, None]
    features = torch.randn(2, 9, 16)
    out = head(features, mask)
    for weight, logits in ((torch.ones(2, 9), out.base), (out.attention, out.plain)):
        slow = head.classifier(head.embed(features * weight[..., None], mask))
        torch.testing.assert_close(logits[mask], slow[mask])
