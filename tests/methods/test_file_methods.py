"""`--method file:PATH.py:NAME`: a method from the user's own file, without a package."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import cli

import xaibench
from xaibench import registry
from xaibench.config.protocol import load_protocol
from xaibench.config.requests import MethodRequest, resolve_methods
from xaibench.config.run import load_config
from xaibench.errors import UsageError, XaibenchError

PLAIN = '''
"""A method of one's own."""
import torch
from xaibench.types import Batch, Context, Explanation

def noisy(ctx: Context, batch: Batch, state, *, power: int = 1, seed=0, **more) -> Explanation:
    """How red each pixel is, with noise."""
    red = ctx.classifier.to_pixels(batch.images)[:, 0] ** power
    draws = [torch.rand(red.shape[1:], generator=ctx.generator(i, f"{seed}")) for i in batch.ids]
    maps = red + 0.1 * torch.stack(draws).to(red.device)
    return Explanation(maps[:, None].expand(-1, batch.targets.shape[1], -1, -1))
'''
DECORATED = PLAIN.replace("def noisy", "@method(family='gradient')\ndef noisy").replace(
    "import torch", "import torch\nfrom xaibench.registry import method, metric"
)
OTHERS = '''
NUMBER = 3

@metric()
def score(scoring):
    """No method."""

def short(ctx, batch):
    """Takes too little."""

def needs(ctx, batch, state, steps):
    """An option without a default."""

class Callable:
    def __call__(self, ctx, batch, state, *, power: int = 1):
        return noisy(ctx, batch, state, power=power)

instance = Callable()
'''


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose folder and name have blanks, brackets, a comma and capitals."""
    folder = tmp_path / "my, (own"
    folder.mkdir()
    (folder / "My Cam-1.py").write_text(DECORATED + OTHERS)
    (folder / "plain.py").write_text(PLAIN)
    monkeypatch.chdir(tmp_path)
    return folder / "My Cam-1.py"


def resolved(*specs: str) -> list[MethodRequest]:
    return resolve_methods(load_config({"method": list(specs)}).method, load_protocol("published"))


def test_the_same_bits_as_a_plug_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path.parent / "xaibench_noisy.py").write_text(DECORATED)
    monkeypatch.syspath_prepend(path.parent)
    point = EntryPoint("noisy", "xaibench_noisy:noisy", "xaibench.methods")
    monkeypatch.setattr(
        registry.metadata, "entry_points", lambda group: [point] * (group == point.group)
    )
    registry.entries.cache_clear()
    plain = path.with_name("plain.py")
    given = [f"file:{path}:noisy(power=2),noisy(power=2)", f"file:{plain}:noisy(power=2)"]
    try:
        xaibench.run({"method": given, "metric": ["deletion"], "limit": 2, "out": "out"})
    finally:
        registry.entries.cache_clear()
    frame = xaibench.load_scores("out")
    specs = ["noisy(power=2)", "file:My Cam-1.py:noisy(power=2)", "file:plain.py:noisy(power=2)"]
    assert sorted(frame["method"].unique()) == sorted(specs)
    values = [frame.loc[frame["method"] == spec, "value"].to_numpy() for spec in specs]
    assert set(frame["status"]) == {"ok"}
    monkeypatch.undo()  # another folder, where the files are not
    shown = [xaibench.load_maps(path.parents[1] / "out", method=spec) for spec in specs[1:]]
    assert [ids for ids, _ in shown] == [list(dict.fromkeys(frame["image"]))] * 2
    assert np.array_equal(shown[0][1], shown[1][1])
    assert 0 < shown[0][1].std()
    for other in values[1:]:
        assert np.array_equal(values[0], other)


def test_a_path_may_be_written_in_any_way(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    here = path.relative_to(tmp_path)
    for written in (path, here, f"./{here}", f"~/{here}"):
        (found,) = resolved(f"file:{written}:noisy( power=3 )")
        assert found.spec == "file:My Cam-1.py:noisy(power=3)"
        assert found.entry.source == str(path.resolve())
        assert found.options == {"power": 3, "seed": 0}
    both = resolved(f"file:{here}:noisy,gradcam", f"file:./{here}:noisy", f"file:{path}:instance")
    names = ["file:My Cam-1.py:noisy", "gradcam", "file:My Cam-1.py:instance"]
    assert [m.spec for m in both] == names


def test_values_of_plain_functions(path: Path) -> None:
    plain = f"file:{path.with_name('plain.py')}:noisy"
    assert resolved(f"{plain}(seed=0)")[0].spec == "file:plain.py:noisy"
    found = resolved(f"{plain}(seed='x',gain=1.5)")[0]
    assert found.spec == "file:plain.py:noisy(gain=1.5,seed='x')"
    assert found.options == {"gain": 1.5, "power": 1, "seed": "x"}
    assert resolved(f"file:{path}:needs(steps=4)")[0].spec == "file:My Cam-1.py:needs(steps=4)"


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ("{}:noizy", UsageError, "unknown function in .*1.py 'noizy': did you mean 'noisy'"),
        ("{}:NUMBER", UsageError, "NUMBER in .*1.py is int, not a function"),
        ("{}:score", UsageError, "score in .* is declared as one of metrics, not of methods"),
        ("{}:short", UsageError, r"short\(ctx, batch, state, \*, options\)"),
        ("{}:needs", UsageError, "needs a value for steps"),
        ("{}:noisy(power=x)", UsageError, "power must be int"),
        ("{}:instance(pover=1)", UsageError, "did you mean 'power'"),
        ("{}", UsageError, "write it as file:PATH.py:NAME"),
        ("{}:noisy-2", UsageError, "write it as file:PATH.py:NAME"),
        (
            "none.py:noisy",
            XaibenchError,
            "none.py does not exist or is not a file: write",
        ),
        ("broken.py:f", XaibenchError, r"cannot be imported \(ZeroDivisionError: division by zero"),
    ],
)
def test_errors_are_one_line_with_the_remedy(
    path: Path, spec: str, error: type[Exception], said: str
) -> None:
    Path("broken.py").write_text("1 / 0")
    with pytest.raises(error, match=said) as raised:
        resolved(f"file:{spec.format(path)}")
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)


def test_a_wrong_name_ends_the_command_before_anything_is_computed(path: Path) -> None:
    code, _, err = cli("run", "--method", f"file:{path}:noizy", "--limit", 1, "--out", "out")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean 'noisy'" in err
    assert not Path("out").exists()


def test_an_edited_file_is_read_again(path: Path) -> None:
    assert resolved(f"file:{path}:noisy")[0].options["power"] == 1
    path.write_text(DECORATED.replace("power: int = 1", "power: int = 5"))
    assert resolved(f"file:{path}:noisy")[0].options["power"] == 5


def test_requests_pickle_into_another_process(path: Path) -> None:
    given = (f"file:{path}:noisy(power=2)", f"file:{path.with_name('plain.py')}:noisy")
    sent = resolved(*given)
    assert pickle.loads(pickle.dumps(sent)) == sent
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(specs_and_docs, sent).result() == specs_and_docs(sent)


def specs_and_docs(found: list[MethodRequest]) -> list[object]:
    return [(m.spec, dict(m.options), m.entry.source, m.entry.function.__doc__) for m in found]


def test_files_of_one_name_do_not_mix(path: Path, tmp_path: Path) -> None:
    other = tmp_path / path.name
    other.write_text(PLAIN)
    asked = {"metric": ["sparseness"], "limit": 1, "out": "out"}
    with pytest.raises(UsageError, match=r"two files are called My Cam-1.py, .*own.* and .*rename"):
        xaibench.run({"method": [f"file:{path}:noisy", f"file:{other}:noisy"], **asked})
    xaibench.run({"method": [f"file:{path}:noisy"], **asked})
    said = rf"out holds results of .*own.*{path.name}, and {other} is another file .*rename it"
    for more in ({}, {"dry_run": True}):
        with pytest.raises(XaibenchError, match=said):
            xaibench.run({"method": [f"file:{other}:noisy"], **asked, **more})
    shutil.move(path, other)  # the same file at another place
    result = xaibench.run({"method": [f"file:{other}:noisy"], **asked})
    assert result.line.split(": ", 1)[1].startswith("1 images, nothing left to compute")


def test_the_commands_take_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = f"file:{path.relative_to(Path.cwd())}:noisy"
    Path("mine.yaml").write_text(yaml.safe_dump({"method": [spec, "gradcam"], "limit": 1}))
    words = ("--config", "mine.yaml", "--out", "out")
    assert cli("explain", *words)[0] == 0
    code, said, err = cli("score", *words, "--metric", "sparseness")
    assert code == 0, err
    assert "computed 2 scores" in said
    monkeypatch.setenv("XAIBENCH_METHOD", f"{spec}(power=2), gradcam")
    _, said, _ = cli("run", "--dry-run", "--metric", "sparseness", "--limit", 1)
    assert "method file:My Cam-1.py:noisy(power=2): {'power': 2, 'seed': 0}" in said
    assert "method gradcam" in said


def test_ablate_takes_it(path: Path) -> None:
    needs = ("--method", f"file:{path}:needs(steps=2)", "--metric", "deletion", "--limit", 1)
    code, said, err = cli("ablate", *needs, "--dry-run", "--switch", "probability")
    assert code == 0, err
    assert f"moves deletion of file:{path}:needs(steps=2)" in said
    words = ("--method", f"file:{path}:noisy", "--metric", "deletion", "--limit", 1, "--out", "out")
    code, said, err = cli("ablate", *words, "--switch", "probability")
    assert code == 0, err
    assert "written: out/" in said
    assert set(xaibench.load_scores("out/published")["method"]) == {"file:My Cam-1.py:noisy"}
