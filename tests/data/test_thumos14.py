from pathlib import Path

import pandas as pd
import pytest

from wtal.data import THUMOS14DataModule
from wtal.data.thumos14 import THUMOS14_CLASSES
from wtal.errors import AnnotationError

FORMS = [
    "Thumos14reduced-Annotations",
    "gt_acmnet_212.json",
    "thumos14_bare.json",
    "gt_full.json",
    "official_txt",
]


def instances(data: THUMOS14DataModule, table: pd.DataFrame) -> int:
    return int(data.annotations.segments["video_id"].isin(table.index).sum())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("test_list", "count"), [("213", 3358), ("212", 3358), ("211", 3329), ("210", 3311)])
def test_each_list_from_each_form(shared: Path, form: str, test_list: str, count: int) -> None:
    data = THUMOS14DataModule(shared / "data/thumos14" / form, test_list=test_list)  # type: ignore[arg-type]
    assert data.class_names == list(THUMOS14_CLASSES)
    assert data.benchmark.name == f"thumos14-{test_list}"
    assert len(data.test_table()) == int(test_list)
    assert instances(data, data.test_table()) == count
    assert len(data.train_table()) == 200
    assert instances(data, data.train_table()) == 3007


def test_the_shorter_list_is_the_one_of_its_authors(shared: Path) -> None:
    theirs = THUMOS14DataModule(shared / "data/thumos14/gt.json", test_list="210")
    ours = THUMOS14DataModule(shared / "data/thumos14/Thumos14reduced-Annotations", test_list="210")
    named = (shared / "data/thumos14/split_test.txt").read_text().split()
    assert set(theirs.test_table().index) == set(ours.test_table().index) == set(named)
    assert list(ours.train_table().index) == (shared / "data/thumos14/split_train.txt").read_text().split()


def test_a_shorter_file_cannot_give_a_longer_list(shared: Path) -> None:
    data = THUMOS14DataModule(shared / "data/thumos14/gt.json", test_list="212")
    with pytest.raises(AnnotationError, match=r"gt.json has no video_test_0000270 and no video_test_0001496.*'210'"):
        data.test_table()


def test_a_file_without_subsets_is_divided_by_name(shared: Path) -> None:
    data = THUMOS14DataModule(shared / "data/thumos14/thumos_anno_action.json", test_list="213")
    assert (len(data.train_table()), len(data.test_table())) == (200, 213)
    assert (instances(data, data.train_table()), instances(data, data.test_table())) == (3003, 3332)


def test_thresholds_are_the_decimal_numbers(shared: Path) -> None:
    benchmark = THUMOS14DataModule(shared / "data/thumos14/gt.json", test_list="210").benchmark
    assert benchmark.tious == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    assert benchmark.averages == ((0.1, 0.5), (0.3, 0.7), (0.1, 0.7))


def test_refuses_another_data_set(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("video,label\na,Diving\n")
    with pytest.raises(AnnotationError, match="begins with 'video_validation_': is it THUMOS14"):
        THUMOS14DataModule(tmp_path / "own.csv").train_table()
    (tmp_path / "own.csv").write_text("video,label\na,Running\n")
    with pytest.raises(AnnotationError, match="class 'Running' of video a"):
        THUMOS14DataModule(tmp_path / "own.csv")
