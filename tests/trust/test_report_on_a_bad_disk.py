"""A report that cannot be written or read whole: one line, and the former report as it was."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from helpers import cli
from networks import THOUSAND

import xaibench
from xaibench import report
from xaibench.report import pages as page_files
from xaibench.store import layout, tables

KINDS = ("tables.md", "tables.csv", "tables.json", "tables.tex", "tables.html")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two photographs with its report and figures; tests work on copies."""
    out = tmp_path_factory.mktemp("disk") / "run"
    options = {"model": THOUSAND, "method": "fakecam,gradcam", "limit": 2, "out": out}
    xaibench.run({**options, "metric": "sparseness,average_drop"})
    assert cli("report", out, "--figures", "--agreement")[0] == 0
    return out


@pytest.fixture
def out(base: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(base, tmp_path / "run"))
    assert cli("report", copy)[0] == 0  # the report names its directory
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def failed(*words: object) -> str:
    code, _, err = cli(*words)
    assert code == 1, err
    assert err.count("\n") == 1, err
    assert "unexpected" not in err
    return err


@contextmanager
def limited(what: int, number: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


REFUSED = {
    errno.ENOSPC: "No space left on device",
    errno.EROFS: "Read-only file system",
    errno.EACCES: "Permission denied",
    errno.EDQUOT: "Disk quota exceeded",
}
STEPS = ("tempfile.mkstemp", "pathlib.Path.write_text", "os.fsync", "pathlib.Path.replace")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("number", "said"), REFUSED.items())
def test_a_refused_file_leaves_the_former_report(
    out: Path, step: str, number: int, said: str
) -> None:
    before = contents(out / "report")
    with mock.patch(step, side_effect=OSError(number, said)):
        line = failed("report", out)
    assert f"cannot write {out / 'report' / 'tables.md'}: {said}" in line
    assert contents(out / "report") == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fills_up_between_files(out: Path, kind: str) -> None:
    """What came before is the new report, what comes after the former one; each is whole."""
    whole = contents(out / "report")
    (out / "report" / kind).write_text("former")
    real = Path.write_text

    def full(path: Path, *given: object, **named: object) -> int:
        if path.suffix == Path(kind).suffix:
            raise OSError(errno.ENOSPC, REFUSED[errno.ENOSPC])
        return int(real(path, *given, **named))  # type: ignore[arg-type]

    with mock.patch.object(Path, "write_text", full):
        assert f"{out / 'report' / kind}: No space left" in failed("report", out)
    assert contents(out / "report") == whole | {kind: b"former"}


@pytest.mark.parametrize("size", [0, 1, 100, 1_000, 4_000])
def test_a_limit_of_size(out: Path, size: int) -> None:
    before = contents(out / "report")
    with limited(resource.RLIMIT_FSIZE, size):
        line = failed("report", out)
    assert "cannot write" in line
    assert "File too large" in line
    assert contents(out / "report") == before


@pytest.mark.parametrize("more", ["--figures", "--agreement"])
def test_figures_on_a_full_disk(out: Path, more: str) -> None:
    assert cli("report", out, more)[0] == 0  # these name the directory, too
    before = contents(out / "report")
    full = OSError(errno.ENOSPC, "No space left on device")
    with mock.patch("matplotlib.figure.Figure.savefig", side_effect=full):
        line = failed("report", out, more)
    assert ".png: No space left on device" in line
    assert contents(out / "report") == before


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_a_report_folder_that_is_none(out: Path, kind: str) -> None:
    shutil.rmtree(out / "report")
    if kind == "file":
        (out / "report").write_text("mine")
    else:
        (out / "report").symlink_to(out / "nowhere")
    assert f"cannot write {out / 'report' / 'tables.md'}" in failed("report", out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_report_folder_without_permission(out: Path) -> None:
    (out / "report").chmod(0o555)
    assert "Permission denied" in failed("report", out)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="nobody counts descriptors here")
@pytest.mark.parametrize("spare", [10, 30])
def test_many_score_files_and_few_descriptors(out: Path, spare: int) -> None:
    """Ever more blocks of one image; a report opens a few files at a time."""
    for path in sorted((out / "scores").rglob("*.parquet")):
        table, made = tables.load(path)
        rows = {name: table[name].to_pylist() for name in tables.SCORES.names}
        for block in range(1, 41):
            rows["image"] = [f"{block}-{i}" for i in range(len(table))]
            name = layout.block_name(block, rows["image"], made.code)
            tables.save(path.with_name(f"{name}.parquet"), rows, tables.SCORES, made)
    used = len(list(Path("/proc/self/fd").iterdir()))
    with limited(resource.RLIMIT_NOFILE, used + spare):
        code, _, err = cli("report", out)
    assert (code, err) == (0, "")
    assert "82 images" in (out / "report" / "tables.md").read_text()


@pytest.mark.parametrize("place", ["scores", "scores/method=gradcam", "predictions", "maps"])
def test_a_foreign_file_is_not_read(out: Path, place: str) -> None:
    before = contents(out / "report")
    (out / place / "notes.txt").write_text("mine")
    (out / place / "00000-notes.txt").write_text("mine")
    code, _, err = cli("report", out)
    assert (code, err) == (0, "")
    assert contents(out / "report") == before


def test_maps_that_cannot_be_read_are_left_out_of_the_ties_and_named(out: Path) -> None:
    (shard,) = (out / "maps" / "gradcam").rglob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    code, _, err = cli("report", out)
    assert code == 0
    assert err.startswith(f"The report on ties leaves out gradcam: {shard} is damaged")
    assert (
        f"leaves out gradcam: {shard}".replace("_", r"\_")
        in (out / "report" / "tables.md").read_text()
    )
    assert "The report on ties leaves out fakecam" not in err


def test_a_method_whose_file_is_gone_is_still_reported(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from xaibench.types import Explanation\n"
        "def m(ctx, batch, state):\n    return Explanation(batch.images[:, :1])\n"
    )
    out = tmp_path / "run"
    options = {"model": THOUSAND, "method": f"file:{file}:m", "limit": 2, "out": out}
    xaibench.run({**options, "metric": "sparseness"})
    file.unlink()
    code, said, err = cli("report", out)
    assert code == 0
    assert "file:mine.py:m" in said
    assert err.startswith("The report on ties leaves out file:mine.py:m: ")
    assert err.count("\n") == 1


@pytest.fixture
def own_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that can be imported beside one that cannot."""
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "trust_broken.py").write_text("import nothing_of_that_name\n")
    (folder / "trust_good.py").write_text(
        "from xaibench.report.document import Document\n"
        "def of_run(source):\n    return Document('good', ('md',), 'good', ())\n"
    )
    monkeypatch.setattr(report, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(page_files, "__path__", [*page_files.__path__, str(folder)])


@pytest.mark.usefixtures("own_pages")
@pytest.mark.parametrize(
    ("page", "code", "said"),
    [
        ("trust_good", 0, ""),
        ("trust-god", 2, "unknown page 'trust-god': did you mean 'trust_good'?"),
        ("trust_broken", 1, "page trust_broken cannot be imported (ModuleNotFoundError: No module"),
    ],
)
def test_a_page_that_cannot_be_imported_is_in_nobody_elses_way(
    out: Path, page: str, code: int, said: str
) -> None:
    found, _, err = cli("report", out, "--page", page)
    assert found == code
    assert said in err
    assert err.count("\n") == bool(code)
    assert (out / "report" / "good.md").exists() == (code == 0)
