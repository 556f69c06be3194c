"""What each metric is compared with: an oracle from the formula, and Quantus where it has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from xaibench.config.specs import key_of
from xaibench.probes import draws
from xaibench.types import Context

NEAR = 1e-4


@dataclass(frozen=True)
class Case:
    """One image, method and target: map (H, W) in [0, 1], image (3, H, W), the scored class."""

    image_id: str
    method: str
    target_name: str
    view: str
    model: nn.Module
    image: Tensor
    map: NDArray[np.float32]
    target: int
    mean: Tensor
    std: Tensor
    scalars: Mapping[str, float]
    family: str
    additive: bool
    explain: Callable[[Tensor], Tensor]
    ctx: Context
    options: Mapping[str, dict[str, Any]]
    boxes: Any
    probability: float
    logit: float
    oracle: Callable[[str], ModuleType]


@dataclass(frozen=True)
class Comparison:
    """One value against its expectation; comparable: not decided by rounding alone (near-ties)."""

    difference: float
    tolerance: float
    comparable: bool = True

    def __post_init__(self) -> None:
        """A difference that is NaN counts as infinite."""
        if np.isnan(self.difference):
            object.__setattr__(self, "difference", np.inf)


Check = Callable[[Case, str, float], Comparison | None]


def _plain(value: float, expected: float, scale: float = 1.0, part: float = 1e-5) -> Comparison:
    if np.isnan(value) and np.isnan(expected):
        return Comparison(0.0, part * scale)
    return Comparison(abs(value - expected), part * scale)


def _confidence(case: Case, metric: str, value: float) -> Comparison:
    expected = case.oracle("confidence").confidence(
        case.model,
        case.image,
        case.map,
        case.target,
        case.mean,
        case.std,
        precision=case.ctx.precision,
    )
    key = key_of(metric)
    if key == "average_increase":
        q = (
            expected["average_gain"] * (1 - case.probability)
            - expected["average_drop"] * case.probability
        )
        return Comparison(abs(value - expected[key]), 1e-5, abs(q) > NEAR * case.probability)
    # the rounding of the logits moves a probability by up to 1e-6
    whole = case.probability if key == "average_drop" else 1 - case.probability
    least = 1e-12 if case.ctx.precision == "float64" else 1e-2  # float32 has 1 - p in steps of 6e-8
    return Comparison(abs(value - expected[key]), 1e-5, whole > least)


def _causal(case: Case, metric: str, value: float) -> Comparison | None:
    oracle, options = case.oracle("causal"), case.options[metric]
    if options["ties"] == "random":
        return None
    arguments = (case.model, case.image, case.map, case.target, options["rows_per_step"])
    more = {"ties": options["ties"], "batch": case.ctx.batch_size}
    more |= {"precision": case.ctx.precision}
    if metric.startswith("insertion"):
        expected = oracle.insertion(*arguments, options["kernel"], options["sigma"], **more)
    else:
        expected = oracle.deletion(*arguments, **more)
    return _plain(value, expected, part=1e-4)


def _deletion_quantus(case: Case, metric: str, value: float) -> Comparison | None:
    options = case.options[metric]
    # Quantus takes steps that divide the image alone
    if options["ties"] == "random" or case.map.shape[0] % options["rows_per_step"]:
        return None
    order = case.oracle("causal").ranking(case.map, ties=options["ties"])
    expected = case.oracle("quantus_library").quantus_deletion(
        case.model, case.image, case.map, case.target, options["rows_per_step"], order
    )
    return _plain(value, expected, part=1e-4)


def _monotonicity(case: Case, metric: str, value: float) -> Comparison:
    """Left out where two effects are so near that rounding decides their rank."""
    oracle, options = case.oracle("monotonicity"), case.options[metric]
    height = case.map.shape[0] * (1 if options["features"] == "pixels" else 3)
    steps = -(-height // options["rows_per_step"])
    values = 3 if options["features"] == "pixels" else 1
    drawn = draws.fills(case.ctx, [case.image_id], steps, options["draws"], values)[0].numpy()
    run = oracle.monotonicity_steps if values == 3 else oracle.monotonicity_channels_steps
    sums, effects = run(
        case.model,
        case.image,
        case.map,
        case.target,
        options["rows_per_step"],
        drawn if values == 3 else drawn[..., 0],
        order=_ascending(case, metric),
        precision=case.ctx.precision,
    )
    gaps = np.diff(np.sort(effects))
    near = bool((gaps <= NEAR * np.sort(effects)[1:]).any())
    expected = oracle.spearman(sums, effects)
    return Comparison(_plain(value, expected).difference, 1e-5, not near)


def _ascending(case: Case, metric: str) -> list[int]:
    """The features in ascending saliency, in the metric's own order of ties."""
    options = case.options[metric]
    flat = np.tile(case.map.ravel(), 1 if options["features"] == "pixels" else 3)
    sign = -1 if options["ties"] == "reverse" else 1
    return sorted(range(len(flat)), key=lambda i: (flat[i], sign * i))


def _completeness(case: Case, metric: str, value: float) -> Comparison | None:
    oracle = case.oracle("completeness")
    if case.options[metric]["test"] == "exact":
        expected = oracle.completeness_published(case.model, case.image, case.map, case.target)
        return _plain(value, expected)
    if not case.additive:
        return None
    expected = oracle.completeness_residual(
        case.scalars["attribution_sum"], case.logit, case.scalars["baseline_logit"]
    )
    return _plain(value, expected, scale=max(1.0, abs(expected)))


def _completeness_quantus(case: Case, metric: str, value: float) -> Comparison | None:
    if case.options[metric]["test"] != "exact":
        return None
    expected = case.oracle("quantus_library").quantus_completeness(
        case.model, case.image, case.map, case.target
    )
    return _plain(value, expected)


def _noise(case: Case, metric: str) -> Tensor:
    options = case.options[metric]
    height, width = case.map.shape
    return draws.noise(
        case.ctx, [case.image_id], options["draws"], (height, width), options["radius"]
    )[0]


def _sensitivity(case: Case, metric: str, value: float) -> Comparison:
    oracle, key = case.oracle("sensitivity"), key_of(metric)
    explain: Callable[[Tensor], Any] = case.explain
    if case.options[metric]["explanation"] != "method":
        name = "quantus_gradient" if case.family == "gradient" else "quantus_saliency"

        def explain(x: Tensor) -> Any:
            return getattr(oracle, name)(case.model, x[0].to(case.image), case.target)

    expected = oracle.sensitivity(explain, case.image, case.map, _noise(case, metric))
    return _plain(value, expected[key], scale=max(1.0, abs(expected[key])), part=1e-4)


@contextmanager
def fed(values: list[NDArray[Any]]) -> Iterator[None]:
    """Inside, numpy.random.uniform returns these arrays in turn, whatever its arguments."""
    turn = iter(values)

    def uniform(*_: Any, size: Any = None, **__: Any) -> Any:
        given = next(turn)
        return given if size is None else given.reshape(size)

    with mock.patch("numpy.random.uniform", uniform):
        yield


def _sensitivity_quantus(case: Case, metric: str, value: float) -> Comparison:
    library, key = case.oracle("quantus_library"), key_of(metric)
    explain: Any = case.explain
    if case.options[metric]["explanation"] != "method":
        explain = "Gradient" if case.family == "gradient" else "Saliency"
    noise = [part.numpy().astype(np.float64) for part in _noise(case, metric)]
    with fed(noise * 2):  # once for the maximum, once for the mean
        expected = library.quantus_sensitivity(
            case.model, case.image, case.map, case.target, 0, explain, len(noise)
        )
    return _plain(value, expected[key], scale=max(1.0, abs(expected[key])), part=1e-4)


def _complexity(name: str, module: str, prefix: str = "") -> Check:
    def check(case: Case, metric: str, value: float) -> Comparison:
        expected = getattr(case.oracle(module), prefix + name)(case.map)
        return _plain(value, expected, scale=max(1.0, abs(expected)))

    return check


def _effective_complexity(case: Case, metric: str, value: float) -> Comparison:
    """By loss, left out where a loss is so near the tolerance that rounding decides."""
    options = case.options[metric]
    if options["definition"] == "threshold":
        expected = case.oracle("complexity").effective_complexity(case.map, options["threshold"])
        return _plain(value, expected, scale=max(1.0, expected))
    steps = -(-case.map.shape[0] // options["rows_per_step"])
    purpose = "effective complexity"
    drawn = draws.fills(case.ctx, [case.image_id], steps, options["draws"], 3, purpose)[0].numpy()
    oracle, size = case.oracle("complexity"), options["rows_per_step"] * case.map.shape[1]
    losses = oracle.effective_complexity_losses(
        case.model,
        case.image,
        case.map,
        case.target,
        drawn,
        steps,
        precision=case.ctx.precision,
        size=size,
    )
    near = bool((np.abs(np.asarray(losses) - options["tolerance"]) < NEAR).any())
    expected = oracle.fewest_pixels(losses, case.map.size, options["tolerance"], 0, size)
    return Comparison(_plain(value, expected).difference, 1e-5, not near)


def _effective_complexity_quantus(case: Case, metric: str, value: float) -> Comparison | None:
    if case.options[metric]["definition"] != "threshold":
        return None
    return _complexity("effective_complexity", "quantus_library", "quantus_")(case, metric, value)


def _pointing(name: str) -> Check:
    def check(case: Case, metric: str, value: float) -> Comparison:
        return _plain(value, getattr(case.oracle("pointing"), name)(case.map, case.boxes))

    return check


CHECKS: dict[str, dict[str, Check]] = {
    **{k: {"oracle": _confidence} for k in ("average_drop", "average_increase", "average_gain")},
    "insertion": {"oracle": _causal},
    "deletion": {"oracle": _causal, "quantus": _deletion_quantus},
    "monotonicity": {"oracle": _monotonicity},
    "completeness": {"oracle": _completeness, "quantus": _completeness_quantus},
    **{
        k: {"oracle": _sensitivity, "quantus": _sensitivity_quantus}
        for k in ("max_sensitivity", "avg_sensitivity")
    },
    **{
        k: {
            "oracle": _complexity(k, "complexity"),
            "quantus": _complexity(k, "quantus_library", "quantus_"),
        }
        for k in ("sparseness", "complexity")
    },
    "effective_complexity": {
        "oracle": _effective_complexity,
        "quantus": _effective_complexity_quantus,
    },
    **{k: {"oracle": _pointing(k)} for k in ("pointing_game", "energy_pointing_game")},
}
