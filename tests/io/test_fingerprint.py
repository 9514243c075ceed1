import hashlib

from wtal.io.fingerprint import fingerprint


def test_annotations_are_known_by_name_and_content(tmp_path):
    (tmp_path / "gt.json").write_text("{}")
    empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # sha256sum of {}
    assert fingerprint(tmp_path / "gt.json") == f"gt.json (sha256 {empty})"
    folder = fingerprint(tmp_path)
    listed = hashlib.sha256(f"{empty}  gt.json\n".encode()).hexdigest()  # sha256sum * | sha256sum
    assert folder == f"{tmp_path.name} (sha256 {listed} of `sha256sum *`)"
    (tmp_path / "gt.json").rename(tmp_path / "other.json")
    assert fingerprint(tmp_path) != folder
    assert fingerprint(tmp_path / "gt.json") == ""
