"""Which scores are stale is told without importing the code that made them, as a run tells it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_methods, resolve_metrics, resolve_transforms
from xaibench.config.variations import variations
from xaibench.models.load import loader
from xaibench.registry import entries
from xaibench.stages.unit import code_of_scores
from xaibench.studies import current
from xaibench.studies.current import outdated

PUBLISHED = load_protocol("published")
MINE = """from factor_beside import FACTOR


def mine(ctx, batch, state):
    return FACTOR


def worth(scoring):
    return FACTOR
"""
Tell = Callable[..., list[str]]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tell:
    """What is said of scores that the code that is here made, for a model and a cell."""

    def tell(
        model: str = "resnet50",
        method: str = "gradient",
        metric: str = "sparseness",
        transform: str = "none",
        code: str = "",
    ) -> list[str]:
        monkeypatch.setattr(current, "records", lambda _root: [{"config": {"model": model}}])
        (request,) = resolve_methods([method], PUBLISHED)
        (scored,) = resolve_metrics([metric], PUBLISHED)
        one, *_ = variations(resolve_transforms([transform], PUBLISHED))
        code = code or code_of_scores(loader(model), request, one, scored)
        return outdated(tmp_path, {(request.spec, transform, scored.spec): {code}})

    return tell


@pytest.mark.parametrize(
    "cell",
    [
        *({"method": name} for name in entries("methods")),
        *({"metric": name} for name in entries("metrics")),
        *({"transform": name} for name in entries("transforms")),
        *({"model": name} for name in ("efficientnet_lite0", "resnet50", "file:a.py:b")),
        {"method": "rise(n_masks=9)", "metric": "insertion(kernel=11)"},
    ],
    ids=str,
)
def test_it_is_the_hash_of_a_run(told: Tell, cell: dict[str, str]) -> None:
    assert told(**cell) == []
    assert len(told(**cell, code="of another time")) == 1


def test_a_users_file_counts_with_what_lies_beside_it(
    told: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sys.modules.pop("factor_beside", None)  # of another test's folder
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "factor_beside.py").write_text("FACTOR = 1\n")
    own = {name: f"file:{tmp_path}/mine.py:{name}" for name in ("mine", "worth")}
    monkeypatch.setattr(current, "files_of", lambda _root: {"mine.py": f"{tmp_path}/mine.py"})
    assert told(method=own["mine"], metric=own["worth"]) == []
    assert told(method=own["mine"], metric=own["worth"], code="other") == [
        "file:mine.py:worth of file:mine.py:mine"
    ]
    monkeypatch.setattr(current, "files_of", lambda _root: {"mine.py": f"{tmp_path}/gone.py"})
    assert told(method=own["mine"], code="other") == [], "nobody knows"


def test_a_network_in_memory_has_no_code(told: Tell) -> None:
    (request,) = resolve_methods(["iba"], PUBLISHED)
    (scored,) = resolve_metrics(["deletion"], PUBLISHED)
    one, *_ = variations(resolve_transforms(["none"], PUBLISHED))
    assert (
        told(method="iba", metric="deletion", code=code_of_scores(None, request, one, scored)) == []
    )


def test_torch_is_not_imported() -> None:
    code = (
        "import sys; from pathlib import Path; from xaibench.studies import current\n"
        "current.records = lambda root: [{'config': {'model': 'resnet50'}}]\n"
        "made = {('rise', 'crop', 'insertion'): {'other'}}\n"
        "assert current.outdated(Path('nowhere'), made) == ['insertion of rise']\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
