"""Branches and pairs that learn from real small video files, through Lightning."""

import multiprocessing
import random
import time
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint

from wtal.branches import CBPBranch, Encoding, VLPBranch
from wtal.branches.scoring import score_videos
from wtal.collaboration import CollaborationModule, Schedule, Thresholds
from wtal.data import FeatureSource
from wtal.errors import FeatureError
from wtal.extraction.adapted import extract_adapted
from wtal.nn.adapters import Adaptation
from wtal.nn.encoders import TinyImageEncoder, TinyMotionEncoder
from wtal.nn.heads import AnchoredTextHead, AttentionMILHead
from wtal.nn.text import FileText
from wtal.simulation import RenderedDataModule, RenderedParams
from wtal.training.atomic import AtomicCheckpoints
from wtal.training.seeding import SeedSteps

PARAMS = RenderedParams(train_videos=5, test_videos=2, min_length=12, max_length=14)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered") / "rendered"
    RenderedDataModule(folder, PARAMS)
    return folder


def data_of(root, **options):
    return RenderedDataModule(root, PARAMS, batch_size=2, **options)


ENCODING = Encoding(Adaptation("full"), lr=0.01, share=0.5, chunk=4)


def cbp(names, encoding=ENCODING):
    seed_everything(0, verbose=False)
    return CBPBranch(
        names,
        partial(AttentionMILHead, in_dim=32, hidden=8),
        encoder=TinyMotionEncoder(),
        encoding=encoding,
        optimizer=partial(torch.optim.Adam, lr=0.001),
    )


def pair(root, names, **schedule):
    def vlp(names):
        text = partial(FileText, path=root / "text" / "text.npy", residual=1.0)
        return VLPBranch(
            names,
            partial(AnchoredTextHead, text=text, dim=32, width=8, heads=2),
            encoder=TinyImageEncoder(),
            encoding=Encoding(Adaptation("low_rank", rank=2), lr=0.01, share=0.5, chunk=4),
        )

    middle = Thresholds(0.6, 0.4)
    return CollaborationModule(names, cbp, vlp, Schedule(**schedule), middle, middle)


def fit(model, data, folder, epochs, checkpoint=None, **options):
    seed_everything(0, verbose=False)
    callback = ModelCheckpoint(
        folder / "checkpoints", "last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    trainer = Trainer(
        max_epochs=epochs,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=[callback, SeedSteps()],
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(model, data, ckpt_path=checkpoint)
    return trainer


def weights_of(model):
    return {name: v.clone() for name, v in model.state_dict().items() if isinstance(v, torch.Tensor)}


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


def test_a_branch_learns_from_video_and_predicts_with_its_encoder(root, tmp_path):
    data = data_of(root)
    model = cbp(data.class_names)
    before = weights_of(model.encoded)
    source = data_of(root).split("train").features.streams["i3d"]
    trainer = fit(model, data, tmp_path, 2)
    after = weights_of(model.encoded)
    assert all(not torch.equal(before[n], after[n]) for n in after)
    bank = model.encoded.bank
    assert bank.folder == tmp_path / "bank" / "i3d"
    rows = bank.read("video_0000")
    changed = (rows.features != source["video_0000"]).any(axis=1)
    assert (changed <= (rows.refreshed > 0)).all()
    assert changed.sum() >= 4
    trainer.test(model, data, verbose=False)
    assert 0 <= trainer.callback_metrics["test/mAP"] <= 1
    own = score_videos(model.eval(), data_of(root), "test")
    adapted = extract_adapted(model, {v: root / "videos" / f"{v}.mp4" for v in own}, tmp_path / "adapted").written
    assert adapted == {name: len(scores.sources["cbp"].attention) for name, scores in own.items()}
    # features that the encoder made earlier serve as well, and no video is needed
    ready = data_of(root)
    ready.streams["i3d"] = FeatureSource(tmp_path / "adapted")
    for name, scores in score_videos(model, ready, "test").items():
        assert torch.allclose(scores.sources["cbp"].probability, own[name].sources["cbp"].probability, atol=1e-4)
    frozen = CBPBranch(data.class_names, partial(AttentionMILHead, in_dim=32, hidden=8), average=0)
    frozen.head.load_state_dict(model.head.state_dict())
    stale = score_videos(frozen.eval(), data_of(root), "test")["video_0005"].sources["cbp"].probability
    assert not torch.allclose(stale, own["video_0005"].sources["cbp"].probability, atol=1e-3)


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_resumed_training_equals_an_uninterrupted_one(root, tmp_path, epochs):
    whole = cbp(data_of(root).class_names)
    fit(whole, data_of(root), tmp_path / "whole", 3)
    parts = cbp(data_of(root).class_names)
    fit(parts, data_of(root), tmp_path / "parts", epochs)
    again = cbp(data_of(root).class_names)
    fit(again, data_of(root), tmp_path / "parts", 3, tmp_path / "parts" / "checkpoints" / "last.ckpt")
    assert equal(weights_of(again), weights_of(whole))
    for video_id in whole.encoded.bank.video_ids:
        for one, other in zip(whole.encoded.bank.read(video_id), again.encoded.bank.read(video_id), strict=True):
            assert np.array_equal(one, other)


def test_the_silent_branch_keeps_its_encoder_and_teaches_from_fresh_rows(root, tmp_path):
    data = data_of(root)
    model = pair(root, data.class_names, warm_up=1, pattern="F", from_vlp="both")
    seen = {}

    class Look(ModelCheckpoint):
        def on_train_epoch_end(self, trainer, module):
            seen[trainer.current_epoch] = {n: weights_of(b.encoded) for n, b in module.branches.items()}
            rows = {n: b.encoded.bank.read("video_0001").refreshed for n, b in module.branches.items()}
            seen[trainer.current_epoch] |= {f"rows of {n}": row.copy() for n, row in rows.items()}

    trainer = fit(model, data, tmp_path, 1)
    trainer.fit_loop.max_epochs = 3
    trainer.callbacks.append(Look(dirpath=tmp_path / "x", save_top_k=0))
    assert model.cbp.encoded.time == model.vlp.encoded.time == 6  # three steps of two
    trainer.fit(model, data)
    assert equal(seen[1]["vlp"], seen[2]["vlp"])
    assert not equal(seen[1]["cbp"], seen[2]["cbp"])
    assert (int(model.cbp.encoded.time), int(model.vlp.encoded.time)) == (18, 6)
    assert (seen[1]["rows of vlp"] == 6).all()
    assert (seen[2]["rows of vlp"] == 6).all()
    assert (seen[2]["rows of cbp"] % 2 == 1).any()  # a step's own, which the next refresh replaces


def test_a_missing_video_another_grid_and_another_encoder_are_named(root, tmp_path):
    data = data_of(root)
    data.streams["i3d"] = FeatureSource(root / "i3d")
    with pytest.raises(FeatureError, match=r"give their folder as `data.i3d.videos`"):
        fit(cbp(data.class_names), data, tmp_path, 1)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "video_0000.mp4").write_bytes((root / "videos" / "video_0000.mp4").read_bytes())
    data = data_of(root)
    data.streams["i3d"] = FeatureSource(root / "i3d", videos=tmp_path / "videos")
    with pytest.raises(FeatureError, match=r"4 of 5 videos are not in .*such as video_0001"):
        fit(cbp(data.class_names), data, tmp_path, 1)
    for encoder, message in (
        (TinyMotionEncoder(stride=4), "lie on the grid"),
        (TinyMotionEncoder(seed=1), "The encoder makes other features"),
    ):
        model = CBPBranch(data.class_names, partial(AttentionMILHead, in_dim=32), encoder=encoder, encoding=ENCODING)
        with pytest.raises(FeatureError, match=message):
            fit(model, data_of(root), tmp_path, 1)


@pytest.mark.slow
def test_killed_twenty_times_a_training_ends_as_an_uninterrupted_one(root, tmp_path):
    """Each start is a process of its own, killed at a random moment; the bank is readable after each."""
    context, rng = multiprocessing.get_context("fork"), random.Random(0)

    def train(folder):
        last = folder / "checkpoints" / "last.ckpt"
        model, start = cbp(data_of(root).class_names), last if last.is_file() else None
        fit(model, data_of(root), folder, 8, start, plugins=[AtomicCheckpoints()])

    whole = context.Process(target=train, args=(tmp_path / "whole",))
    began = time.monotonic()
    whole.start()
    whole.join()
    seconds, kills = time.monotonic() - began, 0
    while kills < 20:
        process = context.Process(target=train, args=(tmp_path / "parts",))
        process.start()
        process.join(rng.uniform(0.02, 0.6) * seconds)
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
            for folder in (tmp_path / "parts" / "bank" / "i3d").glob("video_*"):
                assert np.isfinite(np.load(max(folder.glob("[0-9]*.npy")))).all()
        elif process.exitcode == 0:
            break
        else:
            pytest.fail(f"the training that resumed after {kills} kills failed")
    process = context.Process(target=train, args=(tmp_path / "parts",))
    process.start()
    process.join()
    states = [
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "parts")
    ]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]) if isinstance(value, torch.Tensor) else value == states[1][name]
    for folder in (tmp_path / "whole" / "bank" / "i3d").glob("video_*"):
        newest = max(folder.glob("[0-9]*.npy"))
        assert np.array_equal(np.load(newest), np.load(tmp_path / "parts" / newest.relative_to(tmp_path / "whole")))
