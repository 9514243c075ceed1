"""Short trainings on a small embedded benchmark, by the command line's own classes."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from wtal.branches.localization import LocalizationModule
from wtal.data import SyntheticDataModule
from wtal.training.cli import WTALCLI

ROOT = Path(__file__).resolve().parents[1]
TINY_CLIP = ROOT / "tests" / "nn" / "model_configs" / "tiny-clip.json"

_OPTIMIZER = "{class_path: torch.optim.Adam, init_args: {lr: 0.002}}"
_CBP = "{class_path: wtal.nn.heads.AttentionMILHead, init_args: {in_dim: 64, hidden: 16}}"
_TEXT = "{class_path: wtal.nn.text.FileText, init_args: {path: DATA/text/text.npy}}"
_PROMPTS = (
    f"{{class_path: wtal.nn.text.PromptedText, init_args: {{model: {TINY_CLIP}, pretrained: random, prefix: 2, "
    "postfix: 1}}"
)
MODELS = {
    "collaboration": f"""
  class_path: wtal.collaboration.CollaborationModule
  init_args:
    schedule: {{warm_up: 1, pattern: FB, from_cbp: both, from_vlp: both}}
    cbp: {{class_path: wtal.branches.CBPBranch, init_args: {{head: {_CBP}, optimizer: {_OPTIMIZER}}}}}
    vlp:
      class_path: wtal.branches.VLPBranch
      init_args:
        head: {{class_path: wtal.nn.heads.TextHead, init_args: {{text: {_TEXT}, dim: 48, width: 16, heads: 2}}}}
        optimizer: {_OPTIMIZER}
    localizer: {{sigma: 0.2}}
""",
    "cbp": f"""
  class_path: wtal.branches.CBPBranch
  init_args: {{head: {_CBP}, optimizer: {_OPTIMIZER}}}
""",
    "vlp": f"""
  class_path: wtal.branches.VLPBranch
  init_args:
    head: {{class_path: wtal.nn.heads.TextHead, init_args: {{text: {_PROMPTS}, dim: 32, width: 16, heads: 2}}}}
    optimizer: {_OPTIMIZER}
""",
}


class Trained(NamedTuple):
    """A training, and what it left in memory."""

    folder: Path
    model: LocalizationModule
    data: SyntheticDataModule
    metrics: dict[str, float]  # of the test

    @property
    def checkpoint(self) -> Path:
        return next(self.folder.rglob("last.ckpt"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """Trains each kind of model once, when first asked for."""
    folder = tmp_path_factory.mktemp("runs")
    done: dict[str, Trained] = {}

    def train(kind: str) -> Trained:
        if kind not in done:
            # the tiny tower's texts have 32 channels
            params = f"{{train_videos: 12, test_videos: 8, clip_dim: {32 if kind == 'vlp' else 48}}}"
            data = folder / f"data-{kind}"
            config = folder / f"{kind}.yaml"
            config.write_text(
                f"model:{MODELS[kind].replace('DATA', str(data))}"
                f"data: {{class_path: wtal.data.SyntheticDataModule, init_args: {{root: {data}, params: {params}}}}}\n"
                f"trainer: {{max_epochs: 3, accelerator: cpu, enable_progress_bar: false, enable_model_summary: false, "
                f"default_root_dir: {folder / kind}}}\n"
            )
            cli = WTALCLI([f"--config={config}"], run=False)
            cli.trainer.fit(cli.model, cli.datamodule)
            (metrics,) = cli.trainer.test(cli.model, cli.datamodule, verbose=False)
            done[kind] = Trained(folder / kind, cli.model.eval(), cli.datamodule, metrics)
        return done[kind]

    state = torch.get_rng_state()
    yield train
    torch.set_rng_state(state)
