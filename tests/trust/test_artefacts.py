"""Every stored file, harmed in every way: it is named, set aside, and no number is made from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import cli
from networks import THOUSAND
from safetensors import safe_open
from safetensors.numpy import save_file

import xaibench
from xaibench.errors import XaibenchError

OPTIONS = {
    "model": THOUSAND,
    "method": "gradcam,rise(n_masks=16)",
    "metric": "sparseness,average_drop",
    "limit": 3,
    "workers": 0,
}
KINDS = {
    "predictions": "predictions/none/none/*.parquet",
    "maps": "maps/gradcam/ground_truth/none/none/*.safetensors",
    "maps of a prepared method": "maps/rise*/ground_truth/none/none/*.safetensors",
    "state": "state/*.safetensors",
    "scores": "scores/method=gradcam/*/*/*/metric=sparseness/*.parquet",
}
OTHERS = {  # of the same run, in the place of the one above
    "predictions": KINDS["scores"],
    "maps": KINDS["maps of a prepared method"],
    "maps of a prepared method": KINDS["maps"],
    "state": KINDS["maps"],
    "scores": "scores/method=gradcam/*/*/*/metric=average_drop/*.parquet",
}


def run(out: Path, **more: object) -> tuple[dict[str, int], list[str]]:
    said: list[str] = []
    made = xaibench.run({**OPTIONS, "out": out, **more}, say=said.append).computed
    return made, said


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trust")
    run(place / "run")
    run(place / "seed", seed=1)
    return place


@pytest.fixture
def out(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base / "run", tmp_path / "run"))


def the(out: Path, pattern: str) -> Path:
    (found,) = out.glob(pattern)
    return found


FORMS = [None, "", "[]", '"x"', "{}", "null", '{"a": 1}', "[" * 100_000]
"""Of a record in the place of its own; None: no file."""
Harm = Callable[[Path, Path, str], None]
"""What is done to a file: the file, the folder of all runs, and the kind of file."""


def missing(path: Path, base: Path, kind: str) -> None:
    path.unlink()


def empty(path: Path, base: Path, kind: str) -> None:
    path.write_bytes(b"")


def truncated(path: Path, base: Path, kind: str) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def other(path: Path, base: Path, kind: str) -> None:
    shutil.copyfile(the(base / "run", OTHERS[kind]), path)


def of_another_seed(path: Path, base: Path, kind: str) -> None:
    shutil.copyfile(the(base / "seed", KINDS[kind]), path)


def rewritten(path: Path, base: Path, kind: str) -> None:
    """One value changed, and the file written again as any tool would, with all it says."""
    if path.suffix == ".parquet":
        table = pq.ParquetFile(path).read()
        name = "value" if "value" in table.column_names else "probability_predicted"
        values = table[name].to_numpy().copy()
        values[1] += 0.25
        changed = table.set_column(table.column_names.index(name), name, pa.array(values))
        pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
        return
    with safe_open(path, framework="np") as file:
        tensors = {key: file.get_tensor(key).copy() for key in file.keys()}
        said = file.metadata()
    name = "maps" if "maps" in tensors else sorted(tensors)[0]
    tensors[name].flat[1] += np.asarray(1).astype(tensors[name].dtype)
    save_file(tensors, path, metadata=said)


HARMS: dict[Harm, str] = {
    missing: "",
    empty: "damaged",
    truncated: "damaged",
    rewritten: "damaged",
    other: "foreign",
    of_another_seed: "foreign",
}


@pytest.fixture(params=HARMS, ids=lambda harm: harm.__name__)
def harm(request: pytest.FixtureRequest) -> Harm:
    return request.param


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_names_it_and_makes_the_same_rows_again(
    base: Path, out: Path, kind: str, harm: Harm
) -> None:
    path = the(out, KINDS[kind])
    harm(path, base, kind)
    for scores in out.glob("scores/*/*/*/*/metric=average_drop/*"):
        scores.unlink()  # so that maps and states are asked for
    if kind != "scores":
        (the(out, KINDS["scores"])).unlink()
    word = HARMS[harm]
    _, said = run(out)
    lines = [line for line in said if "set aside" in line]
    if word:
        assert lines == [f"{word}: {path}; set aside in {out / 'set-aside'}, computed anew"]
        assert (out / "set-aside" / path.relative_to(out)).exists()
    frame, expected = xaibench.load_scores(out), xaibench.load_scores(base / "run")
    assert frame.equals(expected)
    for method in ("gradcam", "rise(n_masks=16)"):
        ids, maps = xaibench.load_maps(out, method)
        then, were = xaibench.load_maps(base / "run", method)
        assert ids == then
        assert np.array_equal(maps, were)
    assert run(out)[0] == {"predictions": 0, "maps": 0, "scores": 0}


@pytest.mark.parametrize("harm", [empty, rewritten, of_another_seed])
def test_a_state_that_is_needed_is_made_again(base: Path, out: Path, harm: Harm) -> None:
    path = the(out, KINDS["state"])
    harm(path, base, "state")
    the(out, KINDS["maps of a prepared method"]).unlink()
    for scores in out.glob("scores/method=rise*/*/*/*/*/*"):
        scores.unlink()
    _, said = run(out)
    assert [line for line in said if "set aside" in line] == [
        f"{HARMS[harm]}: {path}; set aside in {out / 'set-aside'}, computed anew"
    ]
    assert xaibench.load_scores(out).equals(xaibench.load_scores(base / "run"))


@pytest.mark.parametrize("harm", [harm for harm in HARMS if harm is not missing])
@pytest.mark.parametrize("kind", ["scores", "maps", "predictions"])
def test_readers_refuse_it(base: Path, out: Path, kind: str, harm: Harm) -> None:
    path = the(out, KINDS[kind])
    harm(path, base, kind)
    read: dict[str, Callable[[], object]] = {
        "scores": lambda: xaibench.load_scores(out),
        "maps": lambda: xaibench.load_maps(out, "gradcam"),
        "predictions": lambda: xaibench.load_predictions(out),
    }
    with pytest.raises(XaibenchError) as error:
        read[kind]()
    assert f"{path} is {HARMS[harm]}: delete it and run the same command again" in str(error.value)
    if kind == "scores":
        code, _, err = cli("report", out)
        assert code == 1
        assert f"{path} is {HARMS[harm]}" in err


@pytest.mark.parametrize("kind", KINDS)
def test_doctor_names_it_and_removes_just_that(
    base: Path, out: Path, kind: str, harm: Harm
) -> None:
    path = the(out, KINDS[kind])
    before = {p for p in out.rglob("*") if p.is_file()}
    harm(path, base, kind)
    word = HARMS[harm]
    code, said, _ = cli("doctor", out)
    assert [line for line in said.splitlines() if line.endswith(str(path))] == (
        [f"{word}: {path}"] if word else []
    )
    assert code == (1 if word else 0)
    code, said, _ = cli("doctor", out, "--fix")
    assert code == 0
    left = {p for p in out.rglob("*") if p.is_file()} - {out / ".lock", out / ".lock.json"}
    assert left == before - {path, out / ".lock", out / ".lock.json"}
    run(out)
    assert xaibench.load_scores(out).equals(xaibench.load_scores(base / "run"))
    assert cli("doctor", out)[0] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_passes(base: Path, out: Path, kind: str) -> None:
    """Of many places in each file: found by the doctor, or nothing that is read has changed."""
    from xaibench.store.origin import Unsound
    from xaibench.store.sound import _read

    path = the(out, KINDS[kind])
    content = path.read_bytes()
    sound, unseen = _read.__wrapped__(path, (0, 0), True), []
    for place in range(0, len(content), max(1, len(content) // 300)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        try:
            if _read.__wrapped__(path, (0, 0), True) != sound:
                unseen.append(place)
        except Unsound:
            continue
    assert unseen == []


@pytest.mark.parametrize("content", FORMS)
@pytest.mark.parametrize("record", ["identity", "protocol", "batch_size", "catalog"])
def test_a_record_of_another_form_is_written_anew(
    base: Path, out: Path, record: str, content: str | None
) -> None:
    path = out / "manifests" / f"{record}.json"
    were = json.loads(path.read_text())
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    said: list[str] = []
    if (record, content) == ("identity", '{"a": 1}'):  # says that it is something else
        with pytest.raises(XaibenchError, match="holds another run"):
            run(out)
        return
    made, said = run(out)
    assert made == {"predictions": 0, "maps": 0, "scores": 0}
    assert json.loads(path.read_text()) == were
    if record == "identity":
        word = "missing" if content is None else "damaged"
        assert f"{path} is {word}: written anew" in said


def test_another_run_does_not_adopt_a_directory_without_identity(out: Path) -> None:
    (out / "manifests" / "identity.json").unlink()
    with pytest.raises(XaibenchError, match=r"holds results of another run, as .*\.parquet"):
        run(out, seed=1)
    assert not (out / "manifests" / "identity.json").exists()


@pytest.mark.parametrize("size", [-3, 0, 99_999_999_999, True, 7.5, "16", 64])
def test_a_batch_size_that_no_process_had(base: Path, out: Path, size: object) -> None:
    path = out / "manifests" / "batch_size.json"
    path.write_text(json.dumps(size))
    run(out, limit=4)
    assert json.loads(path.read_text()) == 16
