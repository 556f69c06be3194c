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
from math import ceil, inf
from pathlib import Path
from statistics import median
from typing import Any

from xaibench.analysis.claims.shifts import MOVED
from xaibench.analysis.stats import excludes_zero
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
--model efficientnet_lite0 --out results/runs/published-lite0`, a new `--out` for another protocol.

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

    def asked(self, key: str, *needed: str) -> dict[str, dict[str, Any]]:
        """A part of a claim by evidence; Missing where it was not asked of all that are needed."""
        found = self.verdicts.get(key, {})
        if lacking := set(needed) - found.keys():
            raise Missing(f"claims.json: {key}, {', '.join(sorted(lacking))}")
        return found

    @cached_property
    def names(self) -> dict[str, str]:
        """What each part of a claim is called: `3b ("so does D")`."""
        found = {}
        for i, claim in enumerate(self.read("claims.json")["claims"], 1):
            letters = "abcdefgh" if len(claim["parts"]) > 1 else [""]
            for letter, part in zip(letters, claim["parts"], strict=False):
                found[part["key"]] = f'{i}{letter} ("{part["reads"]}")'
        return found

    @property
    def pairs(self) -> list[dict[str, Any]]:
        """Pairs of methods of the published run, by one fidelity metric for the ground truth."""
        pairs = self.read("published/power.json")["pairs"]
        return [p for p in pairs if p["target"] == "ground_truth" and p["metric"] in FIDELITY]


def span(counts: Iterable[int]) -> str:
    """`80 to 120`, or `120`."""
    known = set(counts)
    return " to ".join(dict.fromkeys((str(min(known)), str(max(known)))))


def images(cells: Iterable[dict[str, Any]]) -> str:
    """On how many photographs cells or pairs stand: `80 to 120`."""
    return span(cell.get("images", cell.get("n")) for cell in cells)


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
        "`xaibench run P --config table3 --protocol published`; for the last number `--protocol "
        f"reference --method fakecam --metric max_sensitivity --order drawn --limit {own['n']}`",
        "A version of the metric that the paper used and that calls the method under test; then "
        "0.96 could not have been printed for a map that is the same for every image.",
    )


def blur(results: Results) -> Found:
    moved = results.effect("gradcam", "insertion", "causal.kernel")
    return Found(
        "How strongly the start of insertion is blurred decides its level: the 11 x 11 kernel of "
        "RISE's authors in place of the published 5 x 5 alone moves Grad-CAM's I by "
        f"{change(moved)}.",
        "`xaibench ablate P --method gradcam --metric insertion --switch causal.kernel --limit "
        f"{moved['n']}`",
        "An interval that holds 0 on other photographs or with ResNet-50.",
    )


def batchnorm(results: Results) -> Found:
    i, d = (results.effect("gradient", m, "gradient.batchnorm") for m in ("insertion", "deletion"))
    return Found(
        "The published gradient methods see another network: BatchNorm stays in training mode, so "
        "that an image is normalised by its own statistics (under transforms by those of up to "
        "five), not by the learned ones. In evaluation mode Gradient's I "
        f"moves by {change(i)} and its 100 - D by {change(d)}.",
        "`xaibench ablate P --method gradient --metric insertion,deletion --switch "
        f"gradient.batchnorm --limit {i['n']}`",
        "A release of the paper's code that calls `model.eval()` before it makes these maps.",
    )


ORDERS = {"row_major": "from the first pixel on", "random": "at random"}
"""Orders of equal pixels beside the published one, from the last pixel on."""


def ties(results: Results) -> Found:
    words_of = {"insertion": SHORT["insertion"], "deletion": f"100 - {SHORT['deletion']}"}
    told, counts, methods = [], [], set()
    for order, words in ORDERS.items():
        cells = {}
        for method in METHODS:
            for metric in words_of:
                with suppress(Missing):
                    other = f"{metric}(ties='{order}') minus {metric}"
                    cells[method, metric] = results.cell("published", method, other)
        if not cells:
            continue
        methods |= {method for method, _ in cells}
        counts += list(cells.values())
        sure = {k: cell for k, cell in cells.items() if excludes_zero(cell["low"], cell["high"])}
        moved = ", ".join(
            f"{LABEL(m)}'s {words_of[k]} by {interval(c)}" for (m, k), c in sure.items()
        )
        largest = max(abs(cell["mean"]) for cell in cells.values())
        told.append(
            f"{words}, {len(sure)} of {len(cells)} means surely move"
            + (f" ({moved})" if moved else f", none by more than {largest:.1f}")
        )
    if not told:
        raise Missing("published: insertion(ties='row_major')")
    some = [m for m in METHODS if m in methods]
    tied = ", ".join(
        f"{LABEL(m)} {results.cell('published', m, 'tied_pixels')['mean']:.0f}%" for m in some
    )
    return Found(
        "Where pixels share a value, the order of an array ranks them, and whether that matters "
        f"depends on the order (pixels that share one: {tied}). Taken {'; taken '.join(told)}, in "
        f"points (n {images(counts)}).",
        f"`xaibench run P --method {','.join(some)} --metric \"insertion(ties='random'),"
        "deletion(ties='random')\"` and with `row_major`, then `xaibench report`",
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
    found = results.asked("fake_top_two", "printed")
    told = ", ".join(f"{name}: {f['verdict']} ({f['numbers']})" for name, f in found.items())
    return Found(
        f"A map that says nothing wins Average drop: Fake-CAM has 100 - AD {interval(fake)} "
        f"(n {fake['n']}), ahead of {len(ahead)} of {len(INFORMED)} methods; in `reference` "
        f"{interval(own)} (n {own['n']}). The paper's sentence adds AI and M: {told}.",
        "`xaibench run P --config table1`, then `xaibench report results/runs/published-lite0 "
        "--claims`",
        "A network to which one black pixel of 50,176 costs more of its probability than the maps "
        "of other methods do.",
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
    count = len(INFORMED) * len(FIDELITY)
    told = ", ".join(f"{SHORT[m]} {sides.count((m, 1))} ({sides.count((m, -1))})" for m in FIDELITY)
    return Found(
        "Not every metric puts methods before noise: of the nine informed methods, so many are "
        "better, and in brackets worse, than random maps beyond a 95% interval "
        f"(n {images(pairs)}): {told}.",
        f"`xaibench run P --method {','.join(METHODS)},random --config table1`, then `xaibench "
        "report results/runs/published-lite0 --power`; `xaibench check METHOD` for one method",
        f"Other controls; intervals are Student's t of the pairs, each by itself: of {count} some "
        f"{0.05 * count:.0f} would show a difference where there is none.",
    )


def survive(results: Results) -> Found:
    runs = [f"{protocol} {MODEL}" for protocol in ("published", "reference")]
    found = results.verdicts.items()
    rows = {k: [f[r]["verdict"] for r in runs] for k, f in found if set(runs) <= f.keys()}
    sure = {k: v for k, v in rows.items() if set(v) <= {"holds", "fails"}}
    both = [k for k, v in rows.items() if set(v) <= {"holds", "fails", "undecided"}]
    if not both:
        raise Missing(f"claims.json: {' and '.join(runs)}")
    told = [f"{results.names[k]} {' and '.join(dict.fromkeys(v))}" for k, v in sure.items()]
    counts = [
        span(n for k in both if (n := results.verdicts[k][run]["n"]) is not None) for run in runs
    ]
    return Found(
        f"Of {len(rows)} parts of the paper's sentences {len(both)} were measured under both "
        f"protocols (n {' and '.join(counts)}), and {len(sure)} are decided under both"
        f"{': ' * bool(told)}{', '.join(told)}.",
        "`xaibench report --claims results/runs/published-lite0 results/runs/reference-lite0`",
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
    most = max((t["methods"] for t in across["taus"]), default=0)
    taus = [t for t in across["taus"] if t["tau"] is not None and t["methods"] > most / 2]
    ours = [(t, runs[t["first"]], runs[t["second"]]) for t in taus if t["second"] in runs]
    metrics = {t["metric"] for t in taus}
    ranked = {
        x: {
            o["images"] for o in across["ranks"] if o["run"] == r["name"] and o["metric"] in metrics
        }
        for x, r in runs.items()
    }
    told = []
    for protocol in dict.fromkeys(r["protocol"] for r in runs.values()):
        counts = ", ".join(
            span(ranked[x]) for x, r in runs.items() if ranked[x] and r["protocol"] == protocol
        )
        same = [t for t, *two in ours if all(r["protocol"] == protocol for r in two)]
        if same:
            told.append(f"by {middle(same)} under `{protocol}` (n {counts})")
    turned = [t for t, one, other in ours if one["model"] == other["model"]]
    first = next((r for r in runs if runs[r]["protocol"] == "published"), None)
    paper = [t for t in taus if (t["first"], t["second"]) == (first, "paper")]
    asked = [t for t, *_ in ours]
    above = [t for t in asked if t["low"] > 0]
    pairs = [p for p in across["pairs"] if len(p["by_run"]) == len(runs)]
    kept = [p for p in pairs if p["everywhere"]]
    sure = [p for p in kept if p["surely"] and not p["unsure"]]
    return Found(
        f"Between {len(models)} networks of one family the rankings of the methods by one metric "
        f"correlate {' and '.join(told)}: Kendall's tau, median (least to largest), of {most} "
        "methods or nearly. The two protocols on one network correlate by "
        f"{middle(turned)}, the first network's published rankings with those of the paper's "
        f"ResNet-50 by {middle(paper)}. So few images say little for sure: of {len(asked)} taus "
        f"between runs {len(above)} lie surely above 0, {of_fidelity(above)} of them by a fidelity "
        f"metric. Of {len(pairs)} pairs of methods by one metric {len(kept)} keep their order in "
        f"all {len(runs)} runs, {len(sure)} beyond a 95% interval in each that is to be trusted, "
        f"{of_fidelity(sure)} of these by a fidelity metric; no interval is corrected for the "
        "number of pairs.",
        f"`xaibench report {' '.join(['RUN'] * len(runs))} --across`",
        "A network of another family, ResNet-50 first of all.",
    )


def of_fidelity(found: Iterable[dict[str, Any]]) -> int:
    """How many are by a fidelity metric."""
    return sum(one["metric"] in FIDELITY for one in found)


def misprint(results: Results) -> Found:
    needed = (f"published {MODEL}", "printed")
    found = results.asked("fake_ad_drops", *needed)
    own, paper = (found[evidence] for evidence in needed)
    if own["n"] is None:
        raise Missing(f"published: Table 4 ({own['numbers']})")
    return Found(
        '"AD drops dramatically with Resize" goes by a cell of Table 4 that looks as if it stood '
        f"in its neighbour's place: {paper['numbers']}. Measured on the same photographs without "
        f"and with the transform: {own['numbers']} (n {own['n']}). That it drops, by {MOVED:.0f} "
        f"points or more: {own['verdict']}.",
        f"`xaibench run P --config table1 --config table4 --method fakecam --limit {own['n']}`, "
        "then `xaibench report results/runs/published-lite0 --claims`",
        "The authors' own scores of these two cells.",
    )


def enough(results: Results) -> Found:
    pairs = [p for p in results.pairs if "random" not in (p["first"], p["second"])]
    if not pairs:
        raise Missing("published: pairs of methods")
    needed = [p["needed"] or inf for p in pairs]
    half = median(needed)
    middle = f"{ceil(half):,}" if half < inf else "more than any"
    told = {n: sum(count <= n for count in needed) for n in (500, 50_000)}
    sure = sum((p["most"] or inf) <= 500 for p in pairs)
    return Found(
        f"Of {len(pairs)} pairs of methods by one fidelity metric, 500 images would tell "
        f"{told[500]} apart with 90% power and 50,000 images {told[50_000]} if they differ by as "
        f"much as here; for {sure} are 500 enough even at that end of the difference's 95% "
        f"interval that is nearer to 0; the middle pair takes {middle} "
        f"(from n {images(pairs)}).",
        "`xaibench report results/runs/published-lite0 --power`",
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
