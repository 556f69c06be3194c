"""Which images a run takes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from layouts import official

from xaibench.datasets.base import Dataset
from xaibench.datasets.load import load_dataset
from xaibench.datasets.select import ordered
from xaibench.datasets.subset import Subset
from xaibench.errors import UsageError, XaibenchError

SAMPLES = load_dataset("samples")
LABELS = tuple(i % 4 for i in range(24))
FLAT = Dataset("flat", Path(), tuple(official(i) for i in range(24)), LABELS)
FOLDERS = Dataset(
    "f", Path(), tuple(f"{c}/{n}" for n, c in zip(FLAT.ids, LABELS, strict=True)), LABELS
)
PLAIN = Dataset("plain", Path(), ("a.jpg", "b, 3.jpg", "sea/a.jpg", "sea/c.jpg"), (-1,) * 4)


def select(
    dataset: Dataset, limit: int | None, subset: Path | None, per_class: int | None, seed: int
) -> list[int]:
    """What a run takes of a dataset."""
    return ordered(dataset, subset, per_class, seed).first(limit)


def chosen(dataset: Dataset, path: Path, text: str, **more: object) -> list[int]:
    path.write_text(text)
    asked = {"limit": None, "per_class": None, "seed": 0} | more
    return select(dataset, subset=path, **asked)  # type: ignore[arg-type]


def per_class(dataset: Dataset, count: int, seed: int = 0, limit: int | None = None) -> list[int]:
    return select(dataset, limit, None, count, seed)


def test_everything_and_the_first() -> None:
    assert select(FLAT, None, None, None, 0) == list(range(24))
    assert select(FLAT, 5, None, None, 0) == [0, 1, 2, 3, 4]
    assert select(FLAT, 99, None, None, 0) == list(range(24))


@pytest.mark.parametrize("dataset", [FLAT, FOLDERS])
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n \n"])
@pytest.mark.parametrize(
    "form",
    [
        "{name}",
        "{stem}",
        "{name},{label}",  # the authors' list
        "{folder}/{name},{label}",
        "{stem}_n01440764.JPEG",
        "{name}\t{label}",
        '"{name}",{label}',
    ],
)
def test_forms_of_a_line(dataset: Dataset, ending: str, form: str, tmp_path: Path) -> None:
    places = (17, 3, 8)
    rows = []
    for place in places:
        name, label = official(place), LABELS[place]
        stem = Path(name).stem
        rows.append(form.format(name=name, stem=stem, label=label, folder="n01484850"))
    newline = "\r\n" if "\r" in ending else "\n"
    assert chosen(dataset, tmp_path / "l", newline.join(rows) + ending) == [3, 8, 17]


@pytest.mark.parametrize(
    "header", ["name,label", "image", "filename,class", "Image,Label", "\ufeffname"]
)
def test_a_header(header: str, tmp_path: Path) -> None:
    assert chosen(FLAT, tmp_path / "l", f"{header}\n{official(2)},2\n") == [2]
    with pytest.raises(UsageError, match="1 images"):
        chosen(FLAT, tmp_path / "l", f"{official(2)},2\n{header}\n")


def test_ids_are_names_whatever_is_in_them(tmp_path: Path) -> None:
    assert chosen(PLAIN, tmp_path / "l", "b, 3.jpg\nsea/a.jpg\na.jpg") == [0, 1, 2]
    assert chosen(PLAIN, tmp_path / "l", "c") == [3]
    with pytest.raises(UsageError, match="2 images"):
        chosen(PLAIN, tmp_path / "l", "a")


def test_the_authors_form_on_the_embedded_photographs(tmp_path: Path) -> None:
    rows = [f"{SAMPLES.ids[i]},{SAMPLES.labels[i]}" for i in (19, 0)]
    assert chosen(SAMPLES, tmp_path / "l", "\n".join(rows)) == [0, 19]


def test_wordnet_ids_as_labels(tmp_path: Path) -> None:
    assert chosen(FLAT, tmp_path / "l", f"{official(0)},n01440764\n") == [0]
    with pytest.raises(UsageError, match="class n01443537 there and 0 here"):
        chosen(FLAT, tmp_path / "l", f"{official(0)},n01443537\n")


def test_labels_are_no_matter_where_images_have_none(tmp_path: Path) -> None:
    assert chosen(PLAIN, tmp_path / "l", "sea/c.jpg,7") == [3]


def test_unknown_names(tmp_path: Path) -> None:
    text = f"{official(1)}\n{official(77)}\nsome.jpg\n"
    with pytest.raises(UsageError, match=r"2 images .*first: 'ILSVRC2012_val_00000078.JPEG'"):
        chosen(FLAT, tmp_path / "l", text)


def test_labels_that_contradict(tmp_path: Path) -> None:
    text = "".join(f"{official(i)},{LABELS[i] + (i in (2, 5))}\n" for i in range(8))
    with pytest.raises(UsageError, match=r"2 labels .*00000003.JPEG, class 3 there and 2 here\)\."):
        chosen(FLAT, tmp_path / "l", text)
    shifted = "".join(f"{official(i)},{LABELS[i] + 1}\n" for i in range(8))
    with pytest.raises(UsageError, match="look 1-based"):
        chosen(FLAT, tmp_path / "l", shifted)


def test_files_that_are_no_list(tmp_path: Path) -> None:
    with pytest.raises(XaibenchError, match="cannot read"):
        select(FLAT, None, tmp_path / "nothere", None, 0)
    with pytest.raises(UsageError, match="names no image"):
        chosen(FLAT, tmp_path / "l", "name,label\n\n")
    (tmp_path / "l").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(XaibenchError, match="is not text"):
        select(FLAT, None, tmp_path / "l", None, 0)


def test_so_many_of_each_class() -> None:
    for count in (1, 2, 6):
        found = per_class(FLAT, count)
        assert found == sorted(found)
        assert Counter(LABELS[i] for i in found) == dict.fromkeys(range(4), count)
    assert set(per_class(FLAT, 1)) < set(per_class(FLAT, 2)), "more keeps what there was"


def test_a_draw_depends_on_seed_and_name_alone() -> None:
    draws = {tuple(per_class(FLAT, 2, seed)) for seed in range(6)}
    assert len(draws) == 6
    assert per_class(FLAT, 2) == per_class(FLAT, 2)
    names = {FLAT.ids[i] for i in per_class(FLAT, 2)}
    assert {Path(FOLDERS.ids[i]).name for i in per_class(FOLDERS, 2)} == names
    turned = Dataset("t", Path(), FLAT.ids[::-1], FLAT.labels[::-1])
    assert {turned.ids[i] for i in per_class(turned, 2)} == names
    part = Dataset("p", Path(), FLAT.ids[1::4], FLAT.labels[1::4])
    assert {part.ids[i] for i in per_class(part, 2)} < names, "other classes are no matter"


def test_every_image_has_the_same_chance() -> None:
    counts = Counter(i for seed in range(600) for i in per_class(FLAT, 1, seed))
    assert set(counts) == set(range(24))
    # 600 draws of 1 in 6: 100 each, standard deviation 9
    assert all(60 < count < 140 for count in counts.values())


def test_all_together(tmp_path: Path) -> None:
    text = "\n".join(official(i) for i in range(12, 24))
    both = chosen(FLAT, tmp_path / "l", text, per_class=1)
    assert len(both) == 4
    assert all(place >= 12 for place in both)
    assert chosen(FLAT, tmp_path / "l", text, per_class=1, limit=3) == both[:3]
    assert chosen(FLAT, tmp_path / "l", text, limit=2) == [12, 13]


def test_classes_with_too_few_images() -> None:
    with pytest.raises(UsageError, match=r"4 of 4 classes .*class 0 with 6\); ask for at most 6"):
        per_class(FLAT, 7)
    with pytest.raises(UsageError, match="have no classes"):
        per_class(PLAIN, 1)


def test_a_lists_own_order_makes_the_groups(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("\n".join(official(i) for i in (17, 3, 8, 3, 20, 1, 9)))
    found = ordered(FLAT, path, None, 0)
    assert found.places == (17, 3, 8, 20, 1, 9)
    assert found.groups([9, 8]) == [[17, 3, 8, 20, 1], [9]]
    assert found.blocks([1, 17]) == {0: [17, 1]}
    assert not found.whole
    assert select(FLAT, 2, path, None, 0) == [1, 3], "a limit takes the first of the dataset"


def test_a_draw_by_class_has_a_drawn_order() -> None:
    """In class order a group of five would be one class or two."""
    labels = tuple(i // 20 for i in range(200))
    dataset = Dataset("d", Path(), tuple(f"{i:03d}.jpg" for i in range(200)), labels)
    found = [ordered(dataset, None, 2, seed) for seed in (0, 0, 1)]
    assert found[0].places == found[1].places != found[2].places
    assert sorted(found[0].places) == select(dataset, None, None, 2, 0)
    assert list(found[0].places) != sorted(found[0].places)
    assert len({labels[p] for p in found[0].places[:5]}) > 2


def test_a_subset_is_its_ids_in_their_order() -> None:
    one, same, other = (Subset(FLAT, places) for places in ((1, 2), (1, 2), (2, 1)))
    assert one.sha256 == same.sha256 != other.sha256
    assert Subset(FLAT, tuple(range(24))).whole
