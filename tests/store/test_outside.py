"""Maps made elsewhere: what is read, and what is refused with a line."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xaibench.errors import XaibenchError
from xaibench.store.outside import read_maps

RNG = np.random.default_rng(0)
IDS = ["b/2.JPEG", "a/1.JPEG", "c 3.JPEG"]
MAPS = RNG.normal(size=(3, 4, 5))


def npz(path: Path, **arrays: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def folder_of_npy(root: Path, ids: list[str], maps: Any) -> Path:
    for image, values in zip(ids, maps, strict=True):
        file = root / f"{image}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, values)
    return root


def test_a_file_and_folders_of_both_kinds_are_the_same(tmp_path: Path) -> None:
    npz(tmp_path / "parts/x/1.npz", ids=IDS[:1], maps=MAPS[:1])
    npz(tmp_path / "parts/2.npz", ids=IDS[1:], maps=MAPS[1:])
    places = (
        npz(tmp_path / "one.npz", ids=IDS, maps=MAPS, more=np.array([None])),
        tmp_path / "parts",
        folder_of_npy(tmp_path / "npy", IDS, MAPS),
    )
    found = [read_maps(path) for path in places]
    for one in found:
        assert one.ids == ("a/1.JPEG", "b/2.JPEG", "c 3.JPEG")
        assert one.maps.dtype == torch.float32
        assert torch.equal(one.maps, torch.tensor(MAPS[[1, 0, 2]]).float())
    assert len({one.sha256 for one in found}) == 1
    assert len(found[0].sha256) == 64


def test_the_hash_is_of_ids_and_values(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    hashes = set()
    for ids, maps in ((IDS, MAPS), (IDS, MAPS + 1e-3), (["x", *IDS[1:]], MAPS), (IDS, MAPS[::-1])):
        hashes.add(read_maps(npz(path, ids=ids, maps=maps)).sha256)
    assert len(hashes) == 4


@pytest.mark.parametrize("kind", ["S", "U"])
@pytest.mark.parametrize("dtype", ["float16", "float64", "int64", "uint8", "bool", ">f4"])
def test_text_of_both_kinds_and_real_numbers_of_any_type(
    tmp_path: Path, kind: str, dtype: str
) -> None:
    maps = (RNG.random((2, 3, 3)) * 3).astype(dtype)
    ids = np.array(["ä".encode(), b"z"]) if kind == "S" else np.array(["ä", "z"])
    assert ids.dtype.kind == kind
    found = read_maps(npz(tmp_path / "a.npz", ids=ids, maps=maps))
    assert found.ids == ("z", "ä")
    assert np.array_equal(found.maps.numpy(), maps[::-1].astype(np.float32))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"maps": MAPS}, r"a.npz has no ids \(maps\): write it with numpy.savez"),
        ({"ids": IDS, "x": MAPS}, r"has no maps \(ids, x\)"),
        ({}, r"has no ids and no maps \(nothing\)"),
        ({"ids": IDS, "maps": MAPS[0]}, r"maps in .* are 4x5: they must be \(N, h, w\)"),
        ({"ids": IDS, "maps": MAPS[:, None]}, r"are 3x1x4x5: they must be \(N, h, w\)"),
        ({"ids": IDS[:2], "maps": MAPS}, "has 2 ids for 3 maps"),
        ({"ids": [1, 2, 3], "maps": MAPS}, r"ids in .* are int64 \(3,\): they must be"),
        ({"ids": [IDS], "maps": MAPS}, r"\(1, 3\): they must be the images' ids as text"),
        ({"ids": ["a", "", "b"], "maps": MAPS}, "id 1 in .* is empty"),
        ({"ids": np.array([b"\xff", b"a", b"b"]), "maps": MAPS}, "not UTF-8"),
        ({"ids": ["a", "b", "a"], "maps": MAPS}, "a has two maps, in .*a.npz and .*a.npz"),
        ({"ids": IDS, "maps": MAPS + 1j}, "are complex128: they must be real numbers"),
        ({"ids": IDS, "maps": MAPS.astype("S")}, "must be real numbers"),
        ({"ids": IDS, "maps": MAPS[:, :0]}, "are 3x0x5: they hold no values"),
        ({"ids": np.array([], "U"), "maps": MAPS[:0]}, "a.npz holds no maps: write it"),
        ({"ids": IDS, "maps": MAPS.astype(object)}, "cannot be read as arrays of numbers or text"),
        ({"ids": np.array(IDS, object), "maps": MAPS}, "cannot be read as arrays"),
    ],
)
def test_wrong_arrays(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    with pytest.raises(XaibenchError, match=said) as raised:
        read_maps(npz(tmp_path / "a.npz", **arrays))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_named(tmp_path: Path, value: float) -> None:
    maps = MAPS.copy()
    maps[0, 1, 2] = maps[2, 0, 0] = value
    with pytest.raises(XaibenchError, match=r"2 of 3 maps hold NaN.* first that of b/2.JPEG in"):
        read_maps(npz(tmp_path / "a.npz", ids=IDS, maps=maps))


def test_wrong_places(tmp_path: Path) -> None:
    def said() -> str:
        with pytest.raises(XaibenchError) as raised:
            read_maps(path)
        return str(raised.value)

    path = tmp_path / "none"
    assert "none does not exist: give an .npz file" in said()
    path = tmp_path / "text.npy"
    np.save(path, MAPS)
    assert "text.npy is no .npz file" in said()
    path = tmp_path / "empty"
    path.mkdir()
    assert "empty holds no maps" in said()
    path = folder_of_npy(tmp_path / "mixed", IDS, MAPS)
    npz(path / "a.npz", ids=IDS, maps=MAPS)
    assert "holds .npz and .npy files: keep those of one kind" in said()
    path = folder_of_npy(tmp_path / "sizes", IDS, [MAPS[0], MAPS[1].T, MAPS[2]])
    assert "has 4x5 values, that of a/1.JPEG 5x4: bring all to one size" in said()
    path = folder_of_npy(tmp_path / "deep", IDS[:1], MAPS[None, :1])
    assert "2.JPEG.npy holds 1x4x5 values: one map is (h, w)" in said()


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_damaged_files(tmp_path: Path, cut: int) -> None:
    path = npz(tmp_path / "a.npz", ids=IDS, maps=MAPS)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(XaibenchError, match=r"a\.npz cannot be read") as raised:
        read_maps(path)
    assert "\n" not in str(raised.value)


class Boom:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("was_here"),)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.npz").write_bytes(pickle.dumps(Boom()))
    with pytest.raises(XaibenchError, match="cannot be read"):
        read_maps(tmp_path / "a.npz")
    assert not Path("was_here").exists()
