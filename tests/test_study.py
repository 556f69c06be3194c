"""What an ablation computes: every score in one place, nothing twice, nothing in vain."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from xaibench.config import load_config, load_protocol
from xaibench.errors import UsageError
from xaibench.study import Job, Place, Study, jobs, study


def made(methods: str, metrics: str, only: tuple[str, ...] = (), **more: Any) -> Study:
    values = {"method": methods, "metric": metrics, "limit": 2, **more}
    return study(load_config(values), "reference", only)


def scores(job: Job) -> list[Place]:
    parts = product(job.methods, job.metrics, job.targets)
    return [Place(job.directory, *part) for part in parts]


def test_method_and_metric_switches_share_the_first_run() -> None:
    plan = made("rise", "insertion,deletion", ("rise.n_masks", "causal.kernel"))
    assert jobs(plan.places()) == [
        Job(
            "published",
            ("rise",),
            ("deletion", "insertion", "insertion(kernel=11)"),
            ("ground_truth",),
        ),
        Job("published", ("rise(n_masks=8000)",), ("deletion", "insertion"), ("ground_truth",)),
    ]


def test_preprocessing_and_normalisation_are_runs_of_their_own() -> None:
    found = jobs(made("gradcam,rise", "deletion").places())
    by_directory: dict[str, set[str]] = {}
    for job in found:
        by_directory.setdefault(job.directory, set()).update(job.methods)
    assert by_directory == {
        "published": {
            "gradcam",
            "rise",
            "rise(cells=7)",
            "rise(n_masks=8000)",
            "rise(p=0.5)",
            "rise(weights='probability')",
        },
        "published+preprocessing.resize=short_side": {"gradcam", "rise"},
        "published+normalization.gradcam.native_minmax=False": {"gradcam"},
        "reference": {"gradcam", "rise"},
    }


@pytest.mark.parametrize("targets", [["ground_truth"], ["predicted", "least_probable"]])
def test_jobs_cover_what_is_needed_once_and_nothing_else(targets: list[str]) -> None:
    plan = made("all", "all", target=targets)
    needed = set(plan.places())
    counted = Counter(place for job in jobs(plan.places()) for place in scores(job))
    assert counted.keys() == needed
    assert set(counted.values()) == {1}


def test_the_only_switch_of_a_cell_is_all_of_them() -> None:
    plan = made("fakecam", "sparseness")
    (cell,) = plan.cells
    (switch,) = plan.moving(cell)
    assert plan.everything(cell) == plan.switched(cell, switch)
    assert "reference" not in {place.directory for place in plan.places()}


def test_chosen_switches_leave_the_second_protocol_alone() -> None:
    plan = made("gradcam", "insertion", ("Causal.Kernel",))
    assert [s.name for s in plan.switches] == ["causal.kernel"]
    assert not plan.whole
    assert {p.directory for p in plan.places()} == {"published"}
    with pytest.raises(UsageError, match=r"did you mean 'causal\.kernel'"):
        made("gradcam", "insertion", ("causal.kernl",))


def test_another_quantity_is_not_computed() -> None:
    plan = made("ig", "completeness")
    metrics = {place.metric for place in plan.places()}
    assert metrics == {"completeness"}
    assert "reference" not in {place.directory for place in plan.places()}


def test_values_given_hold_in_both_protocols() -> None:
    plan = made("rise(n_masks=5,p=0.2)", "deletion(rows_per_step=56)")
    names = ["preprocessing.resize", "rise.cells", "rise.weights", "causal.kernel"]
    assert [switch.name for switch in plan.switches] == names
    (cell,) = plan.cells
    assert plan.base(cell).method == "rise(n_masks=5,p=0.2)"
    everything = plan.everything(cell)
    assert everything == Place(
        "reference", "rise(n_masks=5,p=0.2)", "deletion(rows_per_step=56)", "ground_truth"
    )
    assert {p.method for p in plan.places()} == {
        "rise(n_masks=5,p=0.2)",
        "rise(cells=7,n_masks=5,p=0.2)",
        "rise(n_masks=5,p=0.2,weights='probability')",
    }


def test_where_it_lies() -> None:
    plan = made("gradcam", "insertion")
    name = "samples-efficientnet_lite0-published-to-reference"
    assert plan.root == Path("results/ablations") / name


def test_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'gradcam'"):
        made("gradcm", "insertion")
    with pytest.raises(UsageError, match="'reference'"):
        study(load_config({"limit": 1}), "referenc")
    with pytest.raises(UsageError, match="overwrite"):
        made("gradcam", "insertion", overwrite=True)
    data = load_protocol("published").model_dump()
    data["metrics"]["causal"]["kernel"] = 7
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(UsageError, match="both protocols are called published"):
        study(load_config({"limit": 1}), str(file))
