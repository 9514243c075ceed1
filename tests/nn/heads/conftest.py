"""Class texts for the tests of heads."""

from functools import partial

import numpy as np
import pytest

from wtal.nn.text.prompts import FileText


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.npy"
    np.save(path, np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32))
    return partial(FileText, path=path)
