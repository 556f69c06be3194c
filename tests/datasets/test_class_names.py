"""Folders named by class, and --classes FILE."""

from __future__ import annotations

from pathlib import Path

import layouts
import pytest
from layouts import Photo

from xaibench.config.classes import read_classes
from xaibench.datasets.load import load_dataset
from xaibench.errors import UsageError
from xaibench.published.classes import imagenet


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def labels(root: Path, *names: str, classes: Path | None = None) -> dict[str, int]:
    found = load_dataset(str(touch(root, *names)), classes)
    return dict(zip(found.ids, found.labels, strict=True))


def test_folders_named_by_class(tmp_path: Path) -> None:
    assert labels(tmp_path, "tabby cat/a.jpg", "Bull_Mastiff/b.jpg", "n01440764/c.jpg") == {
        "Bull_Mastiff/b.jpg": 243,
        "n01440764/c.jpg": 0,
        "tabby cat/a.jpg": 281,
    }


def test_names_count_only_where_all_folders_have_one(tmp_path: Path) -> None:
    assert set(labels(tmp_path, "goose/a.jpg", "holiday/b.jpg").values()) == {-1}


def test_a_folder_of_a_name_of_two_classes_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'crane' names 2 classes of ImageNet"):
        load_dataset(str(touch(tmp_path, "crane/a.jpg", "goose/b.jpg")))


def test_a_file_says_which_class_a_folder_is(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_text("0\tbull mastiff\n1\t559\n")
    names = ("0/a.jpg", "1/b.jpg")
    own = labels(tmp_path / "data", *names)
    assert labels(tmp_path / "data", *names, classes=file) == {"0/a.jpg": 243, "1/b.jpg": 559}
    assert own == {"0/a.jpg": 0, "1/b.jpg": 1}
    with pytest.raises(UsageError, match=r"unknown class in .*classes.txt '2': known: 0, 1"):
        load_dataset(str(touch(tmp_path / "data", "2/c.jpg")), file)


def test_a_file_names_the_classes_of_a_network(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_text("tail rotor\nwing\n")
    names = ("wing/a.jpg", "tail_rotor/b.jpg", "1/c.jpg")
    assert list(labels(tmp_path / "data", *names, classes=file).values()) == [1, 0, 1]
    with pytest.raises(UsageError, match=r"unknown class in .* 'wings': did you mean 'wing'"):
        load_dataset(str(touch(tmp_path / "data", "wings/d.jpg")), file)


def test_names_leave_images_without_folders_without_classes(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_text("wing\n")
    assert labels(tmp_path / "data", "a.jpg", classes=file) == {"a.jpg": -1}


def test_labels_of_shards_are_mapped_and_the_fingerprint_says_so(tmp_path: Path) -> None:
    photos = [Photo(load_dataset("samples").open(i).read(), i) for i in range(2)]
    data = str(layouts.hub(tmp_path / "data", photos))
    file = tmp_path / "classes.txt"
    file.write_text("0\tbull mastiff\n1\t559\n")
    plain, mapped = load_dataset(data), load_dataset(data, file)
    assert (sorted(plain.labels), sorted(mapped.labels)) == ([0, 1], [243, 559])
    assert plain.fingerprint != mapped.fingerprint
    file.write_text("0\tbull mastiff\n")
    with pytest.raises(UsageError, match=r"unknown class in .*'1'"):
        load_dataset(data, file)
    file.write_text("a\nb\n")  # names alone
    assert load_dataset(data, file).fingerprint == plain.fingerprint


def test_a_name_with_a_comma_is_shown_whole_and_found_by_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("Washington, D.C.\ncar, red\ncar, blue\n")
    names = read_classes(path).names
    assert [names.label(i) for i in range(3)] == ["Washington, D.C.", "car, red", "car, blue"]
    assert names.find("car, blue", "x") == 2
    assert names.find("washington", "x") == 0


def test_a_word_of_several_names_lists_them() -> None:
    with pytest.raises(
        UsageError, match=r"'cat' is no class of x; those with that word: .*tabby"
    ) as e:
        imagenet().find("cat", "x")
    assert "\n" not in str(e.value)
