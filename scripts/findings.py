"""What the study in results/ comes to: at most ten findings, each with its number and its command.

    python scripts/findings.py [RESULTS] > results/FINDINGS.md

Every number is read from the files of RESULTS (tables.json, claims.json, power.json, across.json,
ablation.json), or counted in them; none is typed in. A finding whose files are not there is left
out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from xaibench.analysis.claims.evidence import GRADIENT
from xaibench.analysis.claims.finding import ALPHA
from xaibench.analysis.claims.shifts import MOVED
from xaibench.analysis.paired import holm
from xaibench.analysis.stats import excludes_zero
from xaibench.config.declared import shipped
from xaibench.published.tables import METHODS, TABLES

MODEL = "efficientnet_lite0"
INFORMED = tuple(m for m in METHODS if m != "fakecam")
FIDELITY = TABLES[1].metrics
EASY = {"fakecam", *GRADIENT}
"""Methods that most metrics set far apart from all others."""
LABEL, SHORT = shipped().label, {m: shipped().metric(m).short for m in shipped().metrics}
AREAS = {"insertion": SHORT["insertion"], "deletion": f"100 - {SHORT['deletion']}"}
"""The two areas, as the paper prints them."""
HEAD = """# What it comes to

Made by `python scripts/findings.py > results/FINDINGS.md` from the files beside it; each number is
read from them or counted in them, n is the photographs behind it, and [ , ] its 95% interval over
these. EfficientNet-Lite0{networks} on photographs of
ImageNet's training set, which these networks know: accuracy and probabilities are higher than on
new images, and nothing here is the paper's ResNet-50, which was never run (`--config verify` is how
to check it). What is of transformed inputs or of an ablation is of the first photographs by class,
all of them animals. `published` is what the paper's released code computes, `reference` each method
and metric as its own paper has it.

{metrics}: as the paper
prints them, all but M in percent, and the higher the better of AI, 100 - AD, AG, I, 100 - D and M.

P stands for `--data photographs --model efficientnet_lite0`; runs are in
results/runs/published-lite0 (`--out`), another one for each network and protocol.

"""


class Missing(Exception):
    """A file or cell of the results is not there."""


@dataclass(frozen=True)
class Found:
    """A finding: one sentence with its number, the command, and what would overturn it.

    What else belongs to it comes after the sentence.
    """

    sentence: str
    command: str
    overturned: str
    further: str = ""


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

    def number(self, key: str) -> str:
        """`claim 3b`."""
        return f"claim {self.names[key].partition(' ')[0]}"

    @property
    def every_pair(self) -> list[dict[str, Any]]:
        """Pairs of methods of the published run for the ground truth."""
        pairs = self.read("published/power.json")["pairs"]
        return [p for p in pairs if p["target"] == "ground_truth"]

    @property
    def pairs(self) -> list[dict[str, Any]]:
        """The same by one fidelity metric."""
        return [p for p in self.every_pair if p["metric"] in FIDELITY]


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
    methods = ("gradcam", "gradient")
    moved = {m: results.effect(m, "insertion", "causal.kernel") for m in methods}
    told = " and ".join(f"{LABEL(m)}'s I by {change(e)}" for m, e in moved.items())
    return Found(
        "How strongly the start of insertion is blurred moves its level, and not of all methods "
        "alike: the 11 x 11 kernel of RISE's authors in place of the published 5 x 5 alone moves "
        f"{told}.",
        f"`xaibench ablate P --method {','.join(methods)} --metric insertion --switch "
        f"causal.kernel --limit {moved['gradcam']['n']}`",
        "An interval that holds 0 on other photographs or with ResNet-50.",
    )


def transposed(results: Results) -> tuple[str, str]:
    """What the transposed maps of transformed inputs do to scores, and the command; "" without."""
    name = "transposed/ablation.json"
    if not (results.root / name).exists():
        return "", ""
    effects = [e for e in results.read(name)["effects"] if e["kind"] == "switch"]
    moved = []
    for method in dict.fromkeys(e["method"] for e in effects):
        for metric in AREAS:
            held = [e for e in effects if (e["method"], e["metric"]) == (method, metric)]
            low, high = (f(e["change"] for e in held) for f in (min, max))
            sure = sum(excludes_zero(e["low"], e["high"]) for e in held)
            moved.append(
                f"{LABEL(method)}'s {AREAS[metric]} moves by {low:+.1f} to {high:+.1f} ({sure} of "
                f"{len(held)} surely)"
            )
    claim = results.read("transposed/claims.json")["gradient_more_sensitive"]
    sizes = {k: re.findall(r"gradient methods ([\d.]+)", f["numbers"])[0] for k, f in claim.items()}
    verdicts = " and ".join(dict.fromkeys(VERBS.get(f["verdict"], "") for f in claim.values()))
    methods, metrics = (
        ",".join(dict.fromkeys(e[k] for e in effects)) for k in ("method", "metric")
    )
    switches = ",".join(dict.fromkeys(e["switch"] for e in effects))
    said = (
        f" That gradient methods are particularly sensitive "
        f"({results.number('gradient_more_sensitive')}) is said of maps that the "
        "code transposed on transformed inputs, for these methods alone. Upright, "
        f"{', '.join(moved)} points over the four transforms, uncorrected "
        f"for their number; the gradient methods' mean size of change is {sizes['upright']} "
        f"points, with transposed maps {sizes['transposed']} "
        f"(n {span(e['n'] for e in effects)}), and the claim {verdicts}."
    )
    return said, (
        f"; `xaibench ablate P --method {methods} --metric {metrics} --transform "
        f"mixup,resize,rotation,crop --per-class 1 --switch {switches} --limit "
        f"{max(e['n'] for e in effects)}`, `python scripts/upright.py results RUN RUN` "
        "with the two that it leaves"
    )


def batchnorm(results: Results) -> Found:
    i, d = (results.effect("gradient", m, "gradient.batchnorm") for m in ("insertion", "deletion"))
    return Found(
        "The published gradient methods see another network: BatchNorm stays in training mode, so "
        "that an image is normalised by its own statistics (under transforms by those of up to "
        "five), not by the learned ones; in evaluation mode Gradient's I "
        f"moves by {change(i)} and its 100 - D by {change(d)}.",
        "`xaibench ablate P --method gradient --metric insertion,deletion --switch "
        f"gradient.batchnorm --limit {i['n']}`",
        "A release of the paper's code that calls `model.eval()` before it makes these maps.",
    )


ORDERS = {"row_major": "with these taken from the first on", "random": "with these taken at random"}
"""Orders of equal pixels beside the published one, from the last pixel on."""


def ties(results: Results) -> Found:
    told, counts, methods = [], [], set()
    for order, words in ORDERS.items():
        cells = {}
        for method in METHODS:
            for metric in AREAS:
                with suppress(Missing):
                    other = f"{metric}(ties='{order}') minus {metric}"
                    cells[method, metric] = results.cell("published", method, other)
        if not cells:
            continue
        methods |= {method for method, _ in cells}
        counts += list(cells.values())
        sure = {k: cell for k, cell in cells.items() if excludes_zero(cell["low"], cell["high"])}
        moved = ", ".join(f"{LABEL(m)}'s {AREAS[k]} by {interval(c)}" for (m, k), c in sure.items())
        largest = max(abs(cell["mean"]) for cell in cells.values())
        told.append(
            f"{words}, {len(sure)} of {len(cells)} means surely move"
            + (f" ({moved})" if moved else f" (the largest mean move is {largest:.1f})")
        )
    if not told:
        raise Missing("published: insertion(ties='row_major')")
    some = [m for m in METHODS if m in methods]
    share = [results.cell("published", m, "tied_pixels") for m in some]
    tied = ", ".join(f"{LABEL(m)} {c['mean']:.0f}%" for m, c in zip(some, share, strict=True))
    return Found(
        "Where pixels share a value, their place in the array decides which comes first, and the "
        f"score may hang on it: {'; '.join(told)}, in points (n {images(counts)}).",
        f"`xaibench run P --method {','.join(some)} --metric \"insertion(ties='random'),"
        "deletion(ties='random')\"` and with `row_major`, then `xaibench report`",
        "Other moves on other photographs or with ResNet-50.",
        "The published order is from the last of them on. Pixels that share a value: "
        f"{tied} (n {images(share)}).{not_fooled(results)}",
    )


def not_fooled(results: Results) -> str:
    """Whether D puts Fake-CAM below Grad-CAM in the published order of ties and at random."""
    orders = ("deletion", "deletion(ties='random')")
    known = {
        p["metric"]: p
        for p in results.every_pair
        if (p["first"], p["second"]) == ("fakecam", "gradcam")
    }
    pairs = [known[metric] for metric in orders if metric in known]
    told = [
        {k: 100 * p[of] for k, of in (("mean", "difference"), ("low", "low"), ("high", "high"))}
        for p in pairs
    ]
    if len(told) < 2 or told[0]["low"] <= 0:
        return ""
    words = "still surely" if told[1]["low"] > 0 else "no longer surely"
    return (
        f" That D is not fooled by Fake-CAM ({results.number('d_not_fooled')}) is said with the "
        f"published order: its area D is {interval(told[0])} points above Grad-CAM's, and at "
        f"random {words} above, by {interval(told[1])} (n {images(pairs)})."
    )


def fake_cam(results: Results) -> Found:
    fake = results.cell("published", "fakecam", "average_drop_bar")
    ahead = [
        m
        for m in INFORMED
        if results.cell("published", m, "average_drop_bar")["mean"] < fake["mean"]
    ]
    own = results.cell("reference", "fakecam", "average_drop_bar")
    both, m = (results.asked(key, "printed") for key in ("fake_top_two", "fake_top_two_in_m"))
    return Found(
        f"A map that says nothing wins Average drop: Fake-CAM has 100 - AD {interval(fake)} "
        f"(n {fake['n']}), ahead of {len(ahead)} of {len(INFORMED)} methods; in `reference` "
        f"{interval(own)} (n {own['n']}).",
        "`xaibench run P --config table1` under both protocols, `xaibench report RUN` for the "
        "means, `xaibench report RUN ... --claims` for the sentence",
        "A network to which one black pixel of 50,176 costs more of its probability than the maps "
        "of other methods do.",
        f"The paper has it in the top two for AI, AD and M: for AI and AD that {tally(both)}; for "
        f"M, which for such a map is bounded (rule of {results.number('fake_top_two_in_m')}), it "
        f"{tally(m)}.",
    )


VERBS = {"holds": "holds", "fails": "fails", "undecided": "is undecided"}


def tally(found: dict[str, dict[str, Any]]) -> str:
    """What a part comes to: `holds in print and in 2 of 6 runs, is undecided in 4 of 6 runs`.

    Runs that were not measured are not among them.
    """
    printed = found["printed"]["verdict"]
    asked = [f["verdict"] for name, f in found.items() if name != "printed"]
    runs = [verdict for verdict in asked if verdict in VERBS]
    told = {v: [f"in {runs.count(v)} of {len(runs)} runs"] for v in VERBS if v in runs}
    told = {printed: ["in print", *told.pop(printed, [])], **told}
    return ", ".join(f"{VERBS.get(v, v)} {' and '.join(where)}" for v, where in told.items())


def beside_random(pair: dict[str, Any]) -> int:
    """1 where an informed method is better than random in the mean, -1 where it is worse."""
    side = int(pair["low"] + pair["high"] > 0) - int(pair["low"] + pair["high"] < 0)
    upwards = shipped().metric(pair["metric"]).direction != "lower"
    return side if upwards == (pair["second"] == "random") else -side


def p_of(pair: dict[str, Any]) -> float:
    """Two-sided p of a pair whose 95% interval is Student's t; 1 where nothing differs."""
    middle, half = (pair["low"] + pair["high"]) / 2, (pair["high"] - pair["low"]) / 2
    if not half:
        return float(middle == 0)
    free = pair["images"] - 1
    t = abs(middle) / half * stdtrit(free, 1 - ALPHA)
    return float(2 * stdtr(free, -t))


def controls(results: Results) -> Found:
    pairs = [
        p
        for p in results.pairs
        if "random" in (p["first"], p["second"])
        and p["low"] is not None
        and not {p["first"], p["second"]}.isdisjoint(INFORMED)
    ]
    if not pairs:
        raise Missing("published: random")
    sure = holm(np.array([p_of(p) for p in pairs])) <= 2 * ALPHA
    sides = [(p["metric"], beside_random(p)) for p, s in zip(pairs, sure, strict=True) if s]
    told = ", ".join(
        f"{SHORT[m]} {sides.count((m, 1))} better, {sides.count((m, -1))} worse" for m in FIDELITY
    )
    return Found(
        f"Not every metric puts methods before noise: of the {len(INFORMED)} informed methods, so "
        f"many differ from random maps (paired t, Holm for {len(pairs)} comparisons, "
        f"n {images(pairs)}): {told}.",
        f"`xaibench run P --method {','.join(METHODS)},random --config table1`, then `xaibench "
        "report results/runs/published-lite0 --power`, whose pairs with Random are counted; "
        "`xaibench check METHOD` for one method",
        "Other controls: such noise is not the only map that knows nothing of the image.",
    )


def survive(results: Results) -> Found:
    runs = [f"{protocol} {MODEL}" for protocol in ("published", "reference")]
    found = results.verdicts.items()
    rows = {k: [f[r]["verdict"] for r in runs] for k, f in found if set(runs) <= f.keys()}
    sure = {k: v for k, v in rows.items() if set(v) <= {"holds", "fails"}}
    limits = {"d_not_fooled": " (with both protocols' order of ties)"}
    if "i_d_positive" in sure:
        limits["i_positive"] = f" (half of {results.number('i_d_positive')})"
    both = [k for k, v in rows.items() if set(v) <= {"holds", "fails", "undecided"}]
    if not both:
        raise Missing(f"claims.json: {' and '.join(runs)}")
    told = [
        f"{results.names[k]} {' and '.join(dict.fromkeys(v))}{limits.get(k, '')}"
        for k, v in sure.items()
    ]
    counts = [
        span(n for k in both if (n := results.verdicts[k][run]["n"]) is not None) for run in runs
    ]
    return Found(
        f"Of {len(rows)} parts of the paper's sentences {len(both)} were measured under both "
        f"protocols (n {' and '.join(counts)}), and {len(sure)} are decided under both"
        f"{': ' * bool(told)}{', '.join(told)}.",
        "`xaibench report --claims results/runs/published-lite0 results/runs/reference-lite0`; "
        "docs/statistics.md has how often each rule decides, by n",
        "More photographs: an undecided part says how many it takes.",
        "Each is tested by itself, uncorrected for their number; one that is undecided at such n "
        "may be so even where the paper's means are true.",
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
    if not taus:
        raise Missing("across/across.json: rankings to compare")
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
    hard = without_easy(pairs)
    alike = sum(bool(p["everywhere"]) for p in hard)
    sure = [p for p in kept if p["surely"] and not p["unsure"]]
    return Found(
        f"Between {len(models)} networks of one family the rankings of the methods by one metric "
        f"correlate {' and '.join(told)}: Kendall's tau, median (least to largest), of "
        f"{span(t['methods'] for t in taus)} methods.",
        f"`xaibench report {' '.join(['RUN'] * len(runs))} --across`, of which taus of fewer "
        f"methods, and pairs that not all {len(runs)} runs have, are not counted",
        "A network of another family, ResNet-50 first of all.",
        f"The two protocols on one network correlate by {middle(turned)}, the first network's "
        f"published rankings with those of the paper's ResNet-50 by {middle(paper)}. So few images "
        f"say little for sure: of {len(asked)} taus between runs {len(above)} lie surely above 0, "
        f"{of_fidelity(above)} of them by a fidelity metric. Of {len(pairs)} pairs of methods by "
        f"one metric {len(kept)} keep their order in all {len(runs)} runs, {len(sure)} beyond a "
        f"95% interval in each that is to be trusted, {of_fidelity(sure)} of these by a fidelity "
        f"metric; no interval is corrected for the number of pairs. Without {the_easy()} {alike} "
        f"of {len(hard)} keep it.",
    )


def of_fidelity(found: Iterable[dict[str, Any]]) -> int:
    """How many are by a fidelity metric."""
    return sum(one["metric"] in FIDELITY for one in found)


def misprint(results: Results) -> Found:
    needed = (f"published {MODEL}", "printed")
    found = results.asked("fake_ad_drops", *needed)
    own, paper = (found[evidence] for evidence in needed)
    told, command = transposed(results)
    resized = results.cell("published", "fakecam", "average_drop_bar", "resize")
    if own["n"] is None:
        raise Missing(f"published: Table 4 ({own['numbers']})")
    return Found(
        '"AD drops dramatically with Resize" goes by a cell of Table 4 that looks as if it stood '
        f"in its neighbour's place: {paper['numbers']}.",
        f"`xaibench run P --config table1 --config table4 --method fakecam --limit {own['n']}`, "
        f"then `xaibench report results/runs/published-lite0 --claims`{command}",
        "The authors' own scores of these two cells; and of upright maps.",
        f"On {MODEL}, the same photographs without and with the transform: {own['numbers']} "
        f"([{resized['low']:.1f}, {resized['high']:.1f}], n {own['n']}). That it falls by "
        f"{MOVED:.0f} points or more {paper['verdict']} in print either way, and here "
        f"{own['verdict']}.{told}",
    )


def without_easy(pairs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pairs of methods that are not `EASY`, neither of them."""
    return [p for p in pairs if EASY.isdisjoint((p["first"], p["second"]))]


def the_easy() -> str:
    """`Fake-CAM, Gradient, IG and GuidedBP`."""
    *rest, last = [LABEL(m) for m in METHODS if m in EASY]
    return f"{', '.join(rest)} and {last}"


def told_apart(pairs: Sequence[dict[str, Any]]) -> str:
    """Of how many pairs 500 and 50,000 images tell the methods apart, and what half take."""
    needed = [p["needed"] or inf for p in pairs]
    half = median(needed) if needed else inf
    middle = f"{ceil(half):,}" if half < inf else "more than any"
    told = {n: sum(count <= n for count in needed) for n in (500, 50_000)}
    sure = sum((p["most"] or inf) <= 500 for p in pairs)
    return (
        f"500 images tell {told[500]} of {len(pairs)} pairs by one fidelity metric apart ({sure} "
        "even at that end of the difference's 95% interval that is nearer to 0), 50,000 images "
        f"{told[50_000]}, and the middle pair takes {middle}"
    )


def enough(results: Results) -> Found:
    pairs = [p for p in results.pairs if "random" not in (p["first"], p["second"])]
    if not pairs:
        raise Missing("published: pairs of methods")
    hard = without_easy(pairs)
    return Found(
        "How many images tell two methods apart depends on the two: with 90% power, if they differ "
        f"by as much as here (from n {images(pairs)}), {told_apart(pairs)}.",
        "`xaibench report results/runs/published-lite0 --power`, whose pairs of the paper's "
        "methods by AI, AD, AG, I, D and M for the ground truth are counted",
        "Larger spreads on images that the network does not know.",
        f"Without {the_easy()} {told_apart(hard)}. Apart is that their means differ, not that it "
        "matters by how much.",
    )


FINDINGS: Mapping[str, Callable[[Results], Found]] = {
    "Sensitivity": sensitivity,
    "Fake-CAM": fake_cam,
    "Noise": controls,
    "Ties": ties,
    "Blur": blur,
    "BatchNorm": batchnorm,
    "Transformed inputs": misprint,
    "Two protocols": survive,
    "Networks": networks,
    "How many images": enough,
}


def found(results: Results) -> Iterator[tuple[str, Found]]:
    """The findings whose files are there, by title; the others are named on stderr."""
    for title, make in FINDINGS.items():
        try:
            yield title, make(results)
        except Missing as error:
            print(f"{make.__name__}: {error}", file=sys.stderr)


def section(title: str, told: Found) -> str:
    """A finding as Markdown."""
    ends = f"- Command: {told.command}\n- What would overturn it: {told.overturned}"
    return "\n\n".join(filter(None, (f"## {title}", f"**{told.sentence}**", told.further, ends)))


def page(results: Results) -> str:
    """FINDINGS.md."""
    try:
        models = {r["model"] for r in results.read("across/across.json")["runs"]}
    except Missing:
        models = set()
    others = sorted(name.removeprefix("efficientnet_").title() for name in models - {MODEL})
    networks = f" ({' and '.join(others)} where it says so)" if others else ""
    parts = [section(f"{i}. {title}", f) for i, (title, f) in enumerate(found(results), 1)]
    metrics = ", ".join(f"{SHORT[m]} {shipped().metric(m).title}" for m in FIDELITY)
    return HEAD.format(networks=networks, metrics=metrics) + "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(Results(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))))
