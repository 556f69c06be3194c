"""What the study in results/ comes to: at most ten findings, each with its number and its command.

    python scripts/findings.py [RESULTS] > results/FINDINGS.md

Every number is read from the files of RESULTS (tables.json, claims.json, power.json, across.json,
ablation.json); none is typed in. A finding whose files are not there is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from xaibench.config.declared import shipped
from xaibench.published.tables import METHODS, TABLES

MODEL = "efficientnet_lite0"
INFORMED = tuple(m for m in METHODS if m != "fakecam")
FIDELITY = TABLES[1].metrics
LABEL, SHORT = shipped().label, {m: shipped().metric(m).short for m in shipped().metrics}
HEAD = """# What it comes to

Made by `python scripts/findings.py > results/FINDINGS.md` from the files beside it; each number is
read from them, with its 95% interval over photographs in brackets. EfficientNet-Lite0{networks} on
photographs of ImageNet's training set, which these networks know: accuracy and probabilities are
higher than on new images, and nothing here is the paper's ResNet-50, which was never run
(`--config verify` is how to check it). `published` is what the paper's released code computes,
`reference` each method and metric as its own paper has it. P stands for `--data photographs
--model efficientnet_lite0`.

"""


class Missing(Exception):
    """A file or cell of the results is not there."""


@dataclass(frozen=True)
class Found:
    """A finding: one sentence with its number, the command, and what would overturn it."""

    sentence: str
    command: str
    overturned: str


class Results:
    """The files of a folder of results."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, Any] = {}

    def read(self, name: str) -> Any:
        """One JSON file, read once; Missing where it is not there."""
        if name not in self.files:
            if not (self.root / name).exists():
                raise Missing(f"no {self.root / name}")
            self.files[name] = json.loads((self.root / name).read_text(encoding="utf-8"))
        return self.files[name]

    def cell(self, run: str, method: str, metric: str, transform: str = "none") -> dict[str, Any]:
        """A cell of a run's tables; Missing where it has no mean."""
        for table in self.read(f"{run}/tables.json")["tables"]:
            for cell in table["cells"]:
                place = (cell["method"], cell["metric"], cell["transform"], cell["target"])
                if place == (method, metric, transform, "ground_truth") and cell["n"]:
                    return dict(cell)
        raise Missing(f"{run}: {method}, {metric}, {transform}")

    def effect(self, method: str, metric: str, switch: str) -> dict[str, Any]:
        """What a switch of the ablation moves."""
        for line in self.read("ablation/ablation.json")["effects"]:
            if (line["method"], line["metric"]) == (method, metric) and line["switch"] == switch:
                return dict(line)
        raise Missing(f"ablation: {method}, {metric}, {switch}")

    @cached_property
    def verdicts(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Findings by claim and evidence."""
        parts = [part for claim in self.read("claims.json")["claims"] for part in claim["parts"]]
        return {part["key"]: {f["evidence"]: f for f in part["findings"]} for part in parts}

    @property
    def pairs(self) -> list[dict[str, Any]]:
        """Pairs of methods of the published run, by one fidelity metric for the ground truth."""
        pairs = self.read("published/power.json")["pairs"]
        return [p for p in pairs if p["target"] == "ground_truth" and p["metric"] in FIDELITY]


def images(cells: Iterable[dict[str, Any]]) -> str:
    """On how many photographs cells or pairs stand: `80 to 120`."""
    counts = sorted({cell.get("images", cell.get("n")) for cell in cells})
    return " to ".join(dict.fromkeys((str(counts[0]), str(counts[-1]))))


def interval(cell: dict[str, Any], digits: int = 1) -> str:
    """`0.96 [0.95, 0.97]`."""
    mean, low, high = (f"{cell[k]:.{digits}f}" for k in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


def change(effect: dict[str, Any]) -> str:
    """`-10.5 [-16.6, -4.7] points`."""
    return (
        f"{effect['change']:+.1f} [{effect['low']:+.1f}, {effect['high']:+.1f}] points "
        f"(n {effect['n']})"
    )


def sensitivity(results: Results) -> Found:
    fake = results.cell("published", "fakecam", "max_sensitivity")
    own = results.cell("reference", "fakecam", "max_sensitivity")
    others = [results.cell("published", m, "max_sensitivity")["mean"] for m in INFORMED]
    return Found(
        "The published Max- and Avg-sensitivity do not measure the methods: Fake-CAM, whose map "
        f"never changes, gets MS {interval(fake, 2)} (n {fake['n']}; the paper prints "
        f"{fake['paper']}), among {min(others):.2f} to {max(others):.2f} of the others, because "
        "every map is compared with a gradient explanation of the disturbed image; compared with "
        f"its own, Fake-CAM has {own['mean']:.2f} (n {own['n']}).",
        "`xaibench run P --config table3 --protocol published`, and `reference`",
        "A version of the metric that the paper used and that calls the method under test; then "
        "0.96 could not have been printed for a map that is the same for every image.",
    )


def blur(results: Results) -> Found:
    moved = results.effect("gradcam", "insertion", "causal.kernel")
    return Found(
        "How strongly the start of insertion is blurred decides its level: the 11 x 11 kernel of "
        "RISE's authors in place of the published 5 x 5 alone moves Grad-CAM's I by "
        f"{change(moved)}.",
        "`xaibench ablate P --method gradcam --metric insertion --switch causal.kernel`",
        "An interval that holds 0 on other photographs or with ResNet-50.",
    )


def batchnorm(results: Results) -> Found:
    i, d = (results.effect("gradient", m, "gradient.batchnorm") for m in ("insertion", "deletion"))
    return Found(
        "The published gradient methods see another network: BatchNorm stays in training mode, so "
        "that a map depends on the other images of its batch. In evaluation mode Gradient's I "
        f"moves by {change(i)} and its 100 - D by {change(d)}.",
        "`xaibench ablate P --method gradient --metric insertion,deletion --switch "
        "gradient.batchnorm`",
        "A release of the paper's code that calls `model.eval()` before it makes these maps.",
    )


def ties(results: Results) -> Found:
    share = {m: results.cell("published", m, "tied_pixels")["mean"] for m in METHODS}
    cells, told = [], []
    for method in METHODS:
        moves = []
        for metric in ("insertion", "deletion"):
            with suppress(Missing):
                other = f"{metric}(ties='row_major') minus {metric}"
                cells.append(results.cell("published", method, other))
                moves.append(f"{SHORT[metric]} {interval(cells[-1], 2)}")
        if moves:
            tied = f"{LABEL(method)} ({share[method]:.0f}% of its pixels tied)"
            told.append(f"{tied} {', '.join(moves)}")
    if not cells:
        raise Missing("published: insertion(ties='row_major')")
    sure = [cell for cell in cells if cell["low"] > 0 or cell["high"] < 0]
    return Found(
        "What ties decide: where pixels share a value, the order of an array ranks them. Taken "
        "from the first pixel on, not from the last, they move the mean beyond its 95% interval in "
        f"{len(sure)} of {len(cells)} cells, in points: {'; '.join(told)} (n {images(cells)}).",
        "`xaibench run P --method fakecam,gradcam,iba,lime --metric \"insertion(ties='row_major'),"
        "deletion(ties='row_major')\"`, then `xaibench report`",
        "Other moves on other photographs or with ResNet-50.",
    )


def fake_cam(results: Results) -> Found:
    fake = results.cell("published", "fakecam", "average_drop_bar")
    ahead = [
        m
        for m in INFORMED
        if results.cell("published", m, "average_drop_bar")["mean"] < fake["mean"]
    ]
    own = results.cell("reference", "fakecam", "average_drop_bar")
    found = results.verdicts["fake_top_two"]
    told = ", ".join(f"{name}: {f['verdict']} ({f['numbers']})" for name, f in found.items())
    return Found(
        f"A map that says nothing wins Average drop: Fake-CAM has 100 - AD {interval(fake)} "
        f"(n {fake['n']}), ahead of {len(ahead)} of {len(INFORMED)} methods; in `reference` "
        f"{interval(own)} (n {own['n']}). The paper's sentence adds AI and M: {told}.",
        "`xaibench run P --config table1`, then `xaibench report --claims`",
        "A network whose probability falls when one pixel of 50,176 is black.",
    )


def beside_random(pair: dict[str, Any]) -> int:
    """1 where an informed method is better than random beyond the interval, -1 where worse."""
    if pair["low"] is None or {pair["first"], pair["second"]}.isdisjoint(INFORMED):
        return 0
    side = int(pair["low"] > 0) - int(pair["high"] < 0)
    upwards = shipped().metric(pair["metric"]).direction != "lower"
    return side if upwards == (pair["second"] == "random") else -side


def controls(results: Results) -> Found:
    pairs = [p for p in results.pairs if "random" in (p["first"], p["second"])]
    if not pairs:
        raise Missing("published: random")
    sides = [(p["metric"], beside_random(p)) for p in pairs]
    told = ", ".join(f"{SHORT[m]} {sides.count((m, 1))} ({sides.count((m, -1))})" for m in FIDELITY)
    return Found(
        "Not every metric puts methods before noise: of the nine informed methods, so many are "
        "better, and in brackets worse, than random maps beyond a 95% interval "
        f"(n {images(pairs)}): {told}.",
        "`xaibench run P --method all --method random --config table1`, then `xaibench report "
        "--power`; `xaibench check METHOD` for one method",
        "Other controls; intervals are not corrected for their number.",
    )


def survive(results: Results) -> Found:
    runs = [f"{protocol} {MODEL}" for protocol in ("published", "reference")]
    found = results.verdicts.items()
    rows = {k: [f[r]["verdict"] for r in runs] for k, f in found if set(runs) <= f.keys()}
    if not rows:
        raise Missing(f"claims.json: {' and '.join(runs)}")
    sure = {k: v for k, v in rows.items() if set(v) <= {"holds", "fails"}}
    both = [k for k, v in rows.items() if set(v) <= {"holds", "fails", "undecided"}]
    same = [k for k, (a, b) in sure.items() if a == b]
    turned = [f"{k}: {a}, then {b}" for k, (a, b) in sure.items() if a != b]
    return Found(
        f"Of {len(rows)} parts of the paper's sentences {len(both)} were measured under both "
        f"protocols, and {len(sure)} are decided under both: {len(same)} with the same verdict"
        + (f", {len(turned)} the other way round ({', '.join(turned)})." if turned else "."),
        "`xaibench report --claims results/runs/PUBLISHED results/runs/REFERENCE`",
        "More photographs: an undecided part says how many it takes.",
    )


def middle(taus: Sequence[dict[str, Any]]) -> str:
    """`0.70 (0.24 to 1.00)`: median, least and largest; Missing where there are none."""
    if not taus:
        raise Missing("across/across.json: rankings to compare")
    values = [tau["tau"] for tau in taus]
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def networks(results: Results) -> Found:
    across = results.read("across/across.json")
    runs = {r["run"]: r for r in across["runs"]}
    models = {r["model"] for r in runs.values()}
    taus = [t for t in across["taus"] if t["tau"] is not None]
    ours = [(t, runs[t["first"]], runs[t["second"]]) for t in taus if t["second"] in runs]
    told = []
    for protocol in dict.fromkeys(r["protocol"] for r in runs.values()):
        counts = ", ".join(f"n {r['images']}" for r in runs.values() if r["protocol"] == protocol)
        same = [t for t, *two in ours if all(r["protocol"] == protocol for r in two)]
        if same:
            told.append(f"by {middle(same)} under `{protocol}` ({counts})")
    turned = [t for t, one, other in ours if one["model"] == other["model"]]
    first = next((r for r in runs if runs[r]["protocol"] == "published"), None)
    paper = [t for t in taus if (t["first"], t["second"]) == (first, "paper")]
    asked = [t for t, *_ in ours]
    some = [t for t in asked if t["low"] > -1 or t["high"] < 1]
    pairs = [p for p in across["pairs"] if len(p["by_run"]) == len(runs)]
    kept = [p for p in pairs if p["everywhere"]]
    sure = sum(p["surely"] and not p["unsure"] for p in kept)
    return Found(
        f"Between {len(models)} networks of one family the rankings of the methods by one metric "
        f"correlate {' and '.join(told)}: Kendall's tau, median (least to largest). "
        "The two protocols on one network correlate by "
        f"{middle(turned)}, the first network's published rankings with those of the paper's "
        f"ResNet-50 by {middle(paper)}. So few images say little for sure: of {len(asked)} taus "
        f"between runs {len(some)} have an interval other than [-1, 1], "
        f"{sum(t['low'] > 0 for t in some)} of them above 0. Of {len(pairs)} pairs of methods by "
        f"one metric {len(kept)} keep their order in all {len(runs)} runs, {sure} beyond a 95% "
        "interval in each that is to be trusted.",
        f"`xaibench report {' '.join(['RUN'] * len(runs))} --across`",
        "A network of another family, ResNet-50 first of all.",
    )


def misprint(results: Results) -> Found:
    resized = results.cell("published", "fakecam", "average_drop_bar", "resize")
    plain = results.cell("published", "fakecam", "average_drop_bar")
    gain = results.cell("published", "fakecam", "average_gain", "resize")
    return Found(
        '"AD drops dramatically with Resize" rests on two cells of Table 4 that look as if they '
        f"stood in each other's place (100 - AD {resized['paper']}, AG {gain['paper']}): measured, "
        "Fake-CAM's 100 - AD is "
        f"{interval(resized)} on resized photographs (n {resized['n']}) and {interval(plain)} on "
        f"untouched ones (n {plain['n']}).",
        "`xaibench run P --config table4 --method fakecam`",
        "The authors' own scores of these two cells.",
    )


def enough(results: Results) -> Found:
    pairs = [p for p in results.pairs if "random" not in (p["first"], p["second"])]
    needed = [p["needed"] or inf for p in pairs]
    told = {n: sum(count <= n for count in needed) for n in (500, 50_000)}
    sure = sum((p["most"] or inf) <= 500 for p in pairs)
    return Found(
        f"Of {len(pairs)} pairs of methods by one fidelity metric, 500 images would tell "
        f"{told[500]} apart with 90% power and 50,000 images {told[50_000]} if they differ by as "
        f"much as here; for {sure} are 500 enough even at that end of the difference's 95% "
        f"interval that is nearer to 0; the middle pair takes {median(needed):,.0f} "
        f"(from n {images(pairs)}).",
        "`xaibench report --power`",
        "Larger spreads on images that the network does not know.",
    )


FINDINGS: Sequence[Callable[[Results], Found]] = (
    sensitivity,
    fake_cam,
    controls,
    ties,
    blur,
    batchnorm,
    misprint,
    survive,
    networks,
    enough,
)


def found(results: Results) -> Iterator[Found]:
    """The findings whose files are there; the others are named on stderr."""
    for make in FINDINGS:
        try:
            yield make(results)
        except Missing as error:
            print(f"{make.__name__}: {error}", file=sys.stderr)


def page(results: Results) -> str:
    """FINDINGS.md."""
    try:
        models = {r["model"] for r in results.read("across/across.json")["runs"]}
    except Missing:
        models = set()
    others = sorted(name.removeprefix("efficientnet_").title() for name in models - {MODEL})
    networks = f" ({' and '.join(others)} where it says so)" if others else ""
    parts = [
        f"## {i}\n\n{f.sentence}\n\n- Command: {f.command}\n"
        f"- What would overturn it: {f.overturned}"
        for i, f in enumerate(found(results), 1)
    ]
    return HEAD.format(networks=networks) + "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(Results(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))))
