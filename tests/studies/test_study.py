"""What an ablation computes: every score in one place, nothing twice, nothing in vain."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from xaibench.config.protocol import load_protocol
from xaibench.config.run import load_config
from xaibench.errors import UsageError
from xaibench.studies.ablation import Job, Place, Study, jobs, study


def made(methods: str, metrics: str, only: tuple[str, ...] = (), **more: Any) -> Study:
    values = {"method": methods, "metric": metrics, "limit": 2, **more}
    return study(load_config(values), "reference", only)


def scores(job: Job) -> list[Place]:
    parts = product(job.methods, job.metrics, job.targets, job.transforms)
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
        "published+probability=float64": {"gradcam", "rise"},
        "published+normalization.gradcam.native_minmax=False": {"gradcam"},
        "reference": {"gradcam", "rise"},
    }


@pytest.mark.parametrize("targets", [["ground_truth"], ["predicted", "least_probable"]])
@pytest.mark.parametrize("transform", [["none"], ["all"], ["mixup", "crop(box=image)"]])
def test_jobs_cover_what_is_needed_once_and_nothing_else(
    targets: list[str], transform: list[str]
) -> None:
    plan = made("all", "all", target=targets, transform=transform)
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
    names = "preprocessing.resize probability rise.cells rise.weights causal.kernel".split()
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


def test_options_of_transforms_share_the_first_run_too() -> None:
    plan = made(
        "gradient", "sparseness", ("crop.box", "batchnorm_groups.gradient"), transform="crop"
    )
    assert jobs(plan.places()) == [
        Job(
            "published",
            ("gradient",),
            ("sparseness",),
            ("ground_truth",),
            ("crop", "crop(box='image')"),
        ),
        Job(
            "published+batchnorm_groups.gradient=1",
            ("gradient",),
            ("sparseness",),
            ("ground_truth",),
            ("crop",),
        ),
    ]


def test_only_cells_that_a_switch_moves_are_computed() -> None:
    names = ("batchnorm_groups.ig", "normalization.gradient.transpose")
    plan = made("ig,gradient,gradcam", "sparseness,deletion", names, transform="all")
    found = {(p.directory, p.method, p.transform) for p in plan.places()}
    one, two = "published+batchnorm_groups.ig=1", "published+normalization.gradient.transpose=False"
    changed = ("crop", "mixup", "resize", "rotation")
    wanted = {(d, "ig", t) for d in ("published", one) for t in ("mixup", "resize")}
    wanted |= {(d, "gradient", t) for d in ("published", two) for t in changed}
    assert found == wanted


def test_a_chosen_transform_option_holds_in_both_protocols() -> None:
    plan = made("gradcam", "sparseness", transform="crop(box=image)")
    assert "crop.box" not in {switch.name for switch in plan.switches}
    assert {place.transform for place in plan.places()} == {"crop(box='image')", "crop"}
    (cell,) = plan.cells
    everything = plan.everything(cell)
    assert everything is not None
    assert (everything.directory, everything.transform) == ("reference", "crop")


def test_explaining_again_in_a_group_is_not_had_alone() -> None:
    plan = made("gradient,gradcam", "avg_sensitivity", transform="none,resize")
    (switch,) = [s for s in plan.switches if s.name == "sensitivity.explanation"]
    lost = [(c.method.name, c.transform.name) for c in plan.cells if not plan.switched(c, switch)]
    assert lost == [("gradient", "resize")]
    assert all(plan.everything(cell) for cell in plan.cells)


def test_all_of_them_is_more_than_the_one_that_moves_alone(tmp_path: Path) -> None:
    """Of the differences in effective complexity only the definition moves it by itself."""
    data = load_protocol("published").model_dump()
    data["name"] = "mine"
    data["metrics"]["effective_complexity"] |= {"definition": "loss", "tolerance": 0.1}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(data))
    values = {"method": "gradcam", "metric": "effective_complexity", "limit": 2}
    plan = study(load_config(values), str(file))
    (cell,) = plan.cells
    assert [s.name for s in plan.moving(cell)] == ["effective_complexity.definition"]
    assert len(plan.together(cell)) == 2
    everything = plan.everything(cell)
    assert everything is not None
    assert everything.directory == "mine"


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
