"""Names of classes: ImageNet's, a file's, what is found by which and what is asked back."""

from __future__ import annotations

from pathlib import Path

import pytest

from xaibench.config.classes import network_names, read_classes
from xaibench.errors import UsageError
from xaibench.published import imagenet_wnids
from xaibench.published.classes import ClassNames, imagenet, names_of


@pytest.mark.parametrize(
    "text", ["tabby", "tabby cat", "Tabby_Cat", "tabby-cat", "tabby, tabby cat", "281", "n02123045"]
)
def test_a_class_is_found_by_any_of_its_names(text: str) -> None:
    assert imagenet().find(text, "net") == 281


def test_every_class_of_imagenet_has_a_name_and_is_found_by_its_wordnet_id() -> None:
    names = imagenet()
    assert len(names) == 1000
    assert all(names.names)
    assert [names.find(wnid, "net") for wnid in imagenet_wnids()] == list(range(1000))
    assert len({names.label(index) for index in range(1000)}) == 1000
    for index in (0, 281, 999):
        assert names.find(names.label(index), "net") == index


def test_the_usual_name_of_a_class_comes_before_another_name_of_others() -> None:
    assert imagenet().find("harp", "net") == 594  # and a name of the harmonica, 593


def test_several_classes_of_one_name_are_said_with_their_indices() -> None:
    with pytest.raises(UsageError, match=r"'crane' names 2 classes of net.*134 .*517 \(crane\)"):
        imagenet().find("crane", "net")
    assert imagenet().find("crane bird", "net") == 134
    assert imagenet().label(517) == "crane (517)"


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown class of net 'taby cat': did you mean 'tabby c"):
        imagenet().find("taby cat", "net")
    with pytest.raises(UsageError, match="class 1000: those of net are 0 to 999"):
        imagenet().find("1000", "net")


def test_classes_without_names_go_by_their_index() -> None:
    names = names_of(10)
    assert names.label(3) == "class 3"
    assert names.find("3", "net") == 3
    assert ClassNames((("a",),)).label(7) == "class 7"


def write(folder: Path, text: str) -> Path:
    path = folder / "classes.txt"
    path.write_text(text)
    return path


def test_names_one_a_line(tmp_path: Path) -> None:
    found = read_classes(write(tmp_path, "cat, house cat\r\nbig dog\n7\n\n"))
    assert [found.label(one) for one in ("cat", "House_Cat", "big-dog", "0", "2", "7", "bird")] == [
        *(0, 0, 1, 0, 2, 2, None)  # a name comes before an index
    ]
    found.check(3, "net")
    with pytest.raises(UsageError, match="names 3 classes and net has 1000"):
        found.check(1000, "net")
    assert network_names(3, found).label(1) == "big dog"


def test_folders_and_their_classes(tmp_path: Path) -> None:
    found = read_classes(write(tmp_path, "0\ttabby cat\ndogs\t243\n2\tn01440764\n"))
    assert found.folders == {"0": 281, "dogs": 243, "2": 0}
    assert found.label("1") is None
    found.check(1000, "net")
    with pytest.raises(UsageError, match="says that '0' is class 281, and net has 10"):
        found.check(10, "net")
    assert network_names(1000, found).label(281) == "tabby"


def test_folders_name_the_classes_of_a_network_of_ones_own(tmp_path: Path) -> None:
    found = read_classes(write(tmp_path, "cats\t1\ndogs\t0\n"))
    names = network_names(3, found)
    assert [names.label(index) for index in range(3)] == ["dogs", "cats", "class 2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("a\nb\t1\n", "1 of 2 lines have a tab"),
        ("a\n\nb\n", "line 2 is blank"),
        ("a\t1\na\t2\n", "line 2: .*each folder once"),
        ("a\t\n", "line 1"),
        ("a\ttaby cat\n", "line 1 'taby cat': did you mean 'tabby cat'"),
    ],
)
def test_what_is_no_file_of_classes_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_classes(write(tmp_path, text))
