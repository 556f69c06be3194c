"""Which switches are named for a cell: those that can move it, with the paper's counts."""

from __future__ import annotations

from xaibench.analysis.measure import Key
from xaibench.config.protocol import load_protocol
from xaibench.studies.suspects import suspects


def names(protocol: str, method: str, metric: str, transform: str = "none") -> set[str]:
    key = Key(method, "ground_truth", transform, metric)
    (found,) = suspects(load_protocol(protocol), [key]).values()
    return {suspect.name for suspect in found}


def test_a_method_a_metric_and_what_is_of_all() -> None:
    found = names("published", "rise", "insertion")
    assert {"rise.n_masks", "rise.p", "probability", "preprocessing.resize"} <= found
    assert any(name.startswith("causal.") for name in found)
    assert not any(name.startswith(("lime.", "sensitivity.", "batchnorm")) for name in found)
    assert "probability" not in names("published", "rise", "sparseness")
    assert "sensitivity.explanation" in names("published", "fakecam", "max_sensitivity")


def test_the_values_of_both_protocols_in_their_order() -> None:
    key = Key("rise", "ground_truth", "none", "insertion")
    for protocol, values in {"published": ("32", "8000"), "reference": ("8000", "32")}.items():
        found = suspects(load_protocol(protocol), [key])[key]
        (masks,) = (one for one in found if one.name == "rise.n_masks")
        assert (masks.before, masks.after) == values


def test_counts_are_those_of_the_papers_images() -> None:
    """IBA's statistics of all or of 10,000 images differ on 50,000, however short the run is."""
    assert "iba.statistics_images" in names("published", "iba", "insertion")


def test_what_moves_transformed_inputs_alone() -> None:
    assert "normalization.ig.transpose" in names("published", "ig", "insertion", "crop")
    assert "normalization.ig.transpose" not in names("published", "ig", "insertion")
