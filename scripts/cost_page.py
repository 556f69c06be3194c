"""Write docs/cost.md: what the paper's tables cost on 50,000 images, by the arithmetic of `plan`.

    python scripts/cost_page.py

Nothing is run but one blank image through ResNet-50 of drawn weights, for the sizes of its layers.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import fill

from xaibench.config.run import RunConfig, find_config, load_config, load_configs
from xaibench.config.specs import parse
from xaibench.datasets.base import Dataset
from xaibench.datasets.select import ordered
from xaibench.execution.amounts import Amount
from xaibench.execution.estimate import Estimate, by_rate, estimate, groups, size
from xaibench.execution.forecast import Forecaster
from xaibench.execution.outlook import Made, table_bytes, with_shapes_alone
from xaibench.execution.plan import plan
from xaibench.execution.weights import BACKWARD
from xaibench.stages.run import Run, resolve

PAGE = Path(__file__).parents[1] / "docs" / "cost.md"
IMAGES, CLASSES, RATE, DEVICES = 50_000, 1_000, 1_000.0, 8
PROTOCOLS = ("published", "reference")
TABLES = ("table2", "table1", "table3", "table4")
"""In the order of `--config paper`."""
MANY = 6
"""Rows of the lists of what dominates."""


def imagenet() -> Dataset:
    """The names and classes of ImageNet's validation set in form, without its files."""
    ids = tuple(f"ILSVRC2012_val_{i + 1:08d}.JPEG" for i in range(IMAGES))
    return Dataset("imagenet", Path(), ids, tuple(i % CLASSES for i in range(IMAGES)))


def values(folder: Path) -> dict[str, object]:
    """Options of a run with ResNet-50 in a directory; the data are to be replaced."""
    return {"data": "samples", "model": "resnet50", "out": folder, "device": "cpu"}


def run_of(table: str, protocol: str, folder: Path) -> Run:
    """A table's run in an empty directory, on these images with ResNet-50."""
    given = {**values(folder), "protocol": protocol}
    return on_imagenet(load_config(given, find_config(table)))


def on_imagenet(config: RunConfig) -> Run:
    """A configuration's run on these images."""
    run = resolve(config.model_copy(update={"per_class": None}))
    data = imagenet()
    subset = ordered(data, None, config.per_class, config.seed)
    return with_shapes_alone(replace(run, config=config, dataset=data, subset=subset))


def estimates(folder: Path) -> dict[tuple[str, str], Estimate]:
    """Each table by itself, and all four after one another in one directory (`paper`)."""
    found = {(p, table): Estimate() for p in PROTOCOLS for table in sorted(TABLES)}
    for protocol in PROTOCOLS:
        made, rest = Made(), []
        for table in TABLES:
            run = run_of(table, protocol, folder / protocol)
            fits, todo = Forecaster(run, table_bytes), plan(run, frozenset({"explain", "score"}))
            side = run.classifier.input.crop
            found[protocol, table] = estimate(fits.of(todo), by_rate(RATE), True, side, 0.0)
            left = made.left(run, todo, fits)
            rest.append(estimate(fits.of(left), by_rate(RATE), True, side, 0.0))
        found[protocol, "all four"] = together(rest)
    return dict(sorted(found.items(), key=lambda one: (one[0][0], one[0][1] == "all four")))


def together(parts: Iterable[Estimate]) -> Estimate:
    """One after the other."""
    whole = Estimate()
    for one in parts:
        whole.blocks += one.blocks
        whole.before += one.before
        for line, (amount, seconds) in one.lines.items():
            held, before = whole.lines.setdefault(line, (Amount(), 0.0))
            held.add(amount)
            whole.lines[line] = held, before + seconds
    return whole


def verifying(folder: Path) -> str:
    """What `--config verify` costs, in a paragraph."""
    made, rest = Made(), []
    configs = load_configs(values(folder), find_config("verify"))
    for config in configs:
        run = on_imagenet(config)
        fits, todo = Forecaster(run, table_bytes), plan(run, frozenset({"explain", "score"}))
        side = run.classifier.input.crop
        left = made.left(run, todo, fits)
        rest.append(estimate(fits.of(left), by_rate(RATE), True, side, 0.0))
    whole = together(rest)
    seconds = whole.seconds()
    return fill(
        f"`--config verify` ({configs[0].limit} images of these) takes {whole.total.rows:,} "
        f"forwards and {whole.total.backwards:,} backwards: {seconds / 60:.0f} minutes at "
        f"{RATE:,.0f} forwards a second, {2 * seconds / 60:.0f} at {RATE / 2:,.0f}, an hour at "
        f"{RATE * seconds / 3600:.0f}. IBA's statistics also decode all {IMAGES:,} images once.",
        100,
    )


def row(protocol: str, table: str, one: Estimate) -> str:
    """A row of the first table."""
    total = one.total
    hours, shared = one.seconds() / 3600, one.seconds(DEVICES) / 3600
    return (
        f"| `{protocol}` | {table} | {total.rows:,} | {total.backwards:,} | {size(total.maps)} "
        f"| {size(total.tables)} | {hours:,.1f} | {shared:,.1f} |"
    )


def page(found: dict[tuple[str, str], Estimate], verify: str) -> Iterator[str]:
    """The page, line by line."""
    yield from f"""# What the paper's tables cost

Written by `scripts/cost_page.py` from what methods and metrics declare, as `xaibench plan --rate`
does it; a test holds it to the code. {IMAGES:,} images (Table 4: {CLASSES:,}), ResNet-50, the
shipped configurations, an empty directory, batches of a CPU.

**Assumed**: {RATE:,.0f} forwards a second at 224 x 224 on one device, a backward as long as
{BACKWARD:g} forwards, inputs of another size by their pixels, and no time for anything else. Hours
scale with the rate: at R forwards a second they are {RATE:,.0f} / R times these. Measure your own:
`xaibench plan --config table1 --data IMAGENET` times each method and metric on your device.

| protocol | | forwards | backwards | maps | Parquet | hours | on {DEVICES} devices |
|---|---|--:|--:|--:|--:|--:|--:|""".splitlines()
    for (protocol, table), one in found.items():
        yield row(protocol, table, one)
    yield ""
    yield from """`all four` is `--config paper`: one after the other in one directory, where what a
table shares with an earlier one is made once. `--maps small` keeps only the maps that are smaller
than the input, `--maps none` none; the scores are the same.""".splitlines()
    yield from ["", *verify.splitlines()]
    for protocol in PROTOCOLS:
        yield from _largest(protocol, found[protocol, "all four"])
    yield from _why(found)


def _largest(protocol: str, one: Estimate) -> Iterator[str]:
    """The work that takes the longest."""
    rows = sorted(groups(one).items(), key=lambda row: -row[1][1])
    whole = sum(seconds for _, (_, seconds) in rows)
    yield from (
        "",
        f"## What dominates `{protocol}`",
        "",
        "| work | forwards | backwards | share |",
    )
    yield "|---|--:|--:|--:|"
    for name, (amount, seconds) in rows[:MANY]:
        yield f"| {name} | {amount.rows:,} | {amount.backwards:,} | {seconds / whole:.0%} |"
    rest = sum(seconds for _, (_, seconds) in rows[MANY:])
    yield f"| {len(rows) - MANY} others | | | {rest / whole:.0%} |"


def _why(found: dict[tuple[str, str], Estimate]) -> Iterator[str]:
    """What the largest shares come from, in numbers of these tables."""
    yield from ("", "## Why", "")
    for protocol in PROTOCOLS:
        one = found[protocol, "all four"]
        stages: dict[str, float] = {}
        for line, (_, seconds) in one.lines.items():
            stages[line.stage] = stages.get(line.stage, 0.0) + seconds
        whole = sum(stages.values())
        first, *_ = sorted(groups(one).items(), key=lambda row: -row[1][1])
        name, (amount, seconds) = first
        each = amount.rows / max(1, amount.calls)
        shares = ", ".join(f"{s} {t / whole:.0%}" for s, t in stages.items() if t / whole > 0.005)
        yield (
            f"- `{protocol}`: {shares} of the time. The largest, {parse(name.split(' ')[-1])[0]} "
            f"({name.split(' ')[0]}), forwards {each:,.0f} inputs for every map or image that it "
            f"works on, {seconds / whole:.0%} of all."
        )
    yield from """
A method's passes are those of its masks, channels, samples or steps. Where a pass serves all
targets (masks and channels do not depend on the class), three cost what one does. A metric's passes
come again for every method and target. Metrics that explain other inputs cost the method itself, so
often; a method of over 500 forwards an image is measured there on 1,000 images.""".splitlines()


def text() -> str:
    """The whole page."""
    with tempfile.TemporaryDirectory() as folder:
        found = estimates(Path(folder) / "tables")
        return "\n".join(page(found, verifying(Path(folder) / "verify"))) + "\n"


def main(arguments: Sequence[str] = ()) -> None:
    into = Path(arguments[0]) if arguments else PAGE
    into.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
