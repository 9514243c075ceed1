from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from wtal.errors import ConfigError, FeatureError
from wtal.nn.heads import AnchoredTextHead
from wtal.nn.text.prompts import FileText

CLASSES, DIM = ["run", "jump", "throw"], 16


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.npy"
    np.save(path, np.random.default_rng(0).standard_normal((3, DIM)).astype(np.float32))
    return partial(FileText, path=path, residual=1.0)


def videos(count=4, length=30, narrow=1.0):
    """Features around a common direction; the smaller ``narrow``, the nearer are all cosines."""
    generator = torch.Generator().manual_seed(3)
    common = torch.randn(DIM, generator=generator)
    return [common + narrow * torch.randn(length, DIM, generator=generator) for _ in range(count)]


def prepared(text, rows, **options):
    torch.manual_seed(0)
    head = AnchoredTextHead(CLASSES, text=text, dim=DIM, width=8, heads=2, **options).eval()
    head.prepare(rows)
    return head


def scored(head, features):
    return head(features[None], torch.ones(1, len(features), dtype=torch.bool))


def test_the_start_is_the_standardised_similarity(text):
    rows = videos()
    head = prepared(text, rows, smoothing=1)
    cosines = torch.cat([F.normalize(part, dim=1) for part in rows]) @ head.text.features.T
    centred = cosines - cosines.mean(dim=0)
    expected = centred / centred.square().mean().sqrt()
    found = torch.cat([scored(head, part).cas[0] for part in rows])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_average_snippet_is_half_an_action_and_actionness_and_background_add_up_to_one(text):
    rows = videos()
    head = prepared(text, rows, smoothing=1)
    out = [scored(head, part) for part in rows]
    evidence = torch.cat([part.attention.logit()[0] for part in out])
    assert evidence.mean().item() == pytest.approx(0, abs=1e-4)
    for part in out:
        background = part.plain.softmax(dim=2)[..., -1]
        torch.testing.assert_close(part.attention + background, torch.ones_like(background), rtol=1e-4, atol=1e-3)


def test_the_width_of_the_band_of_cosines_does_not_matter(text):
    def spread(rows):
        head = prepared(text, rows)
        return torch.cat([scored(head, part).cas[0] for part in rows]).std().item()

    assert spread(videos(narrow=0.05)) == pytest.approx(spread(videos(narrow=1.0)), rel=0.2)


def test_a_window_averages_the_evidence_over_neighbours(text):
    rows = videos()
    one, three = (scored(prepared(text, rows, smoothing=size), rows[0]).cas[0] for size in (1, 3))
    torch.testing.assert_close(three[5], one[4:7].mean(dim=0))
    torch.testing.assert_close(three[0], one[:2].mean(dim=0))


def test_every_parameter_learns_once_the_zeros_have_moved(text):
    head = prepared(text, videos(), sparsity=0.1).train()
    labels, mask = torch.tensor([[1.0, 0, 0], [0, 1, 1]]), torch.ones(2, 30, dtype=torch.bool)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        terms = head.losses(head(torch.stack(videos()[:2]), mask), mask, labels)
        assert set(terms) == {"mil", "mil_suppressed", "sparsity"}
        sum(terms.values()).backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in head.parameters())


def test_a_checkpoint_brings_the_scale_and_the_written_texts(text):
    trained, rows = prepared(text, videos()), videos()
    other = AnchoredTextHead(
        CLASSES, text=partial(FileText, path=None, dim=DIM, residual=1.0), dim=DIM, width=8, heads=2
    )
    other.load_state_dict(trained.state_dict())
    torch.testing.assert_close(scored(other.eval(), rows[0]).cas, scored(trained, rows[0]).cas)


def test_wrong_widths_are_refused(text):
    with pytest.raises(ConfigError, match="16 channels, but the head's `dim` is 8"):
        AnchoredTextHead(CLASSES, text=text, dim=8, width=8, heads=2)
    with pytest.raises(ConfigError, match="odd number of snippets, got 4"):
        AnchoredTextHead(CLASSES, text=text, dim=DIM, width=8, heads=2, smoothing=4)
    head = prepared(text, videos())
    with pytest.raises(FeatureError, match="features have 8 channels, but the head expects 16"):
        scored(head, torch.randn(5, 8))
    with pytest.raises(FeatureError, match="features have 8 channels, but the head expects 16"):
        head.prepare([torch.randn(5, 8)])
