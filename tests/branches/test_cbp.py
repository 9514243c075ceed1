"""CBP may read both streams together: the naive fusion that the collaboration is compared with."""

from functools import partial

import pytest
import torch
from pytorch_lightning import Trainer, seed_everything

from wtal.branches import CBPBranch
from wtal.data import SyntheticDataModule, SyntheticParams
from wtal.errors import FeatureError
from wtal.nn.heads import AttentionMILHead


@pytest.fixture
def data(tmp_path):
    params = SyntheticParams(train_videos=8, test_videos=2, i3d_dim=16, clip_dim=12)
    return SyntheticDataModule(tmp_path / "data", params, batch_size=4, num_snippets=24)


def fit(branch, data, folder):
    Trainer(
        default_root_dir=folder,
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    ).fit(branch, data)


def test_each_stream_is_normalised_by_its_own_statistics_and_is_read(data, tmp_path):
    seed_everything(0, verbose=False)
    branch = CBPBranch(data.class_names, partial(AttentionMILHead, in_dim=28, hidden=8), average=0, clip=True)
    fit(branch, data, tmp_path)
    (i3d, i3d_std), (clip, clip_std) = map(data.feature_statistics, ("i3d", "clip"))
    assert torch.equal(branch.head.norm.mean, torch.cat([i3d, clip]))
    torch.testing.assert_close(branch.head.norm.std, torch.cat([i3d_std, clip_std]).clamp(min=1e-3))
    branch.eval()
    batch = next(iter(data.test_dataloader()))
    seen = branch(batch).plain
    for stream in ("i3d", "clip"):
        other = {**batch.streams, stream: torch.randn_like(batch.streams[stream])}
        changed = branch(batch._replace(streams=other)).plain
        assert not torch.allclose(changed, seen, atol=1e-3)


def test_one_stream_is_the_default(data):
    branch = CBPBranch(data.class_names, partial(AttentionMILHead, in_dim=16, hidden=8)).eval()
    batch = next(iter(data.test_dataloader()))
    alone = batch._replace(streams={"i3d": batch.streams["i3d"]})
    assert torch.equal(branch(alone).plain, branch(batch).plain)


def test_the_head_must_expect_the_width_of_both(data, tmp_path):
    branch = CBPBranch(data.class_names, partial(AttentionMILHead, in_dim=16, hidden=8), clip=True)
    with pytest.raises(FeatureError, match="have 28 channels, but the head expects 16"):
        fit(branch, data, tmp_path)
