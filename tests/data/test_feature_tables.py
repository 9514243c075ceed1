from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wtal.data.feature_tables import read_feature_table, table_note, table_shape

ROWS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
FRAME = pd.DataFrame(ROWS)
PLAIN = FRAME.to_csv(header=False, index=False)
GERMAN = FRAME.to_csv(header=False, index=False, sep=";", decimal=",")
INDEX, HEADER = "columns that number or time the rows", "a first line of the numbers 0, 1, 2"

KINDS: dict[str, tuple[bytes, str]] = {
    "plain": (PLAIN.encode(), ""),
    "byte-order mark": (PLAIN.encode("utf-8-sig"), ""),
    "UTF-16": (PLAIN.encode("utf-16"), ""),
    "Windows' ends of lines": (PLAIN.replace("\n", "\r\n").encode(), ""),
    "names of channels": (FRAME.add_prefix("f").to_csv(index=False).encode(), ""),
    "pandas": (FRAME.to_csv().encode(), INDEX),
    "pandas without index": (FRAME.to_csv(index=False).encode(), HEADER),
    "pandas without header": (FRAME.to_csv(header=False).encode(), INDEX),
    "an index of its own name": (FRAME.add_prefix("f").to_csv(index_label="frame").encode(), INDEX),
    "two columns of times": (
        FRAME.add_prefix("f").assign(start=np.arange(5) * 0.64, end=np.arange(5) + 1).to_csv(index=False).encode(),
        INDEX,
    ),
    "semicolons": (PLAIN.replace(",", ";").encode(), ""),
    "decimal commas": (GERMAN.encode(), ""),
    "a declared separator": (b"sep=;\n" + GERMAN.encode(), ""),
    "tabs": (PLAIN.replace(",", "\t").encode(), ""),
    "blanks": (PLAIN.replace(",", " ").encode(), ""),
    "NumPy's header": (b"# features of a video\n" + PLAIN.encode(), ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_reads_the_channels_alone(tmp_path: Path, kind: str) -> None:
    content, note = KINDS[kind]
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    np.testing.assert_allclose(read_feature_table(file), ROWS, rtol=1e-6)
    assert table_shape(file) == ROWS.shape
    assert table_note(file).startswith(note)
    assert bool(table_note(file)) == bool(note)


def test_a_first_row_of_round_numbers_is_a_snippet(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.csv", np.arange(12.0).reshape(3, 4), delimiter=",", fmt="%.1f")
    assert read_feature_table(tmp_path / "a.csv").tolist() == np.arange(12.0).reshape(3, 4).tolist()


def test_a_channel_of_whole_numbers_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0,0.5,1\n2,0.5,1\n1,0.5,1\n")
    assert read_feature_table(tmp_path / "a.csv").shape == (3, 3)


def test_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("f0,f1\n0.5,run\n")
    with pytest.raises(ValueError, match="could not convert string 'run'"):
        read_feature_table(tmp_path / "a.csv")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("1,2\n")
    assert table_shape(file) == (1, 2)
    file.write_text("4,5,6\n1,2,3\n")
    assert table_shape(file) == (2, 3)
