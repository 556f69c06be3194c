"""What `xaibench check` says of every method: the pages of results/check/, and their README.

    python scripts/check_all.py RUN [METHOD ...] [--out results/check]

Runs the check of each method (the paper's ten and the controls where none is named) on the
embedded photographs in the directory RUN, which they share, and puts its page into OUT. What RUN
holds is not computed again. Dear methods are checked without switches, which would take their
passes for each.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from rich.console import Console

from xaibench.analysis.check.evidence import CLASS, NOISE, WEIGHTS, Judgement
from xaibench.analysis.check.words import beating
from xaibench.config.run import load_config
from xaibench.config.shipped import config_files
from xaibench.report import write_page
from xaibench.report.pages.check import page
from xaibench.report.runs import with_runs
from xaibench.store.accuracy import accuracy_in
from xaibench.studies.check import FOLDER, TURNS, check, finished

METHODS = "fakecam gradient guidedbp gradcam gradcampp rise lime iba ig scorecam".split()
CONTROLS = "random center edges".split()
DEAR = ("rise", "lime", "iba", "ig", "scorecam")
NAME = "samples-efficientnet_lite0-published"
HEAD = """# What the check says of the paper's methods

`xaibench check` of each method and of the controls, on the embedded photographs and
EfficientNet-Lite0 in `published`. Made by `python scripts/check_all.py RUN`, which runs the
commands below one after the other in one directory. A page's CSV holds its numbers.
[docs/check.md](../../docs/check.md) says what they mean.

| method | images | better than every control by | of no use | weights | class | noise | command |
|---|---:|---:|---:|---|---|---|---|
"""
TAIL = """
The third and fourth column count metrics, of those with a verdict or at least images enough for
one; `of no use`: by it the method is not shown to be better than noise. The last three are the
sanity tests; a dash is one that could not be made (constant maps). Fake-CAM and the other
controls fail, as they must. Commands with `--skip switches` leave the switches of the protocol
and the orders of ties untested: these methods take up to thousands of passes an image, for each
of them. Seconds an image in the pages are those of a machine of two cores that others used at the
same time.
"""


def command(judgement: Judgement) -> str:
    """What was asked for, as the page says it."""
    words, left = f"xaibench check {judgement.method}", dict(judgement.untested).values()
    if "--skip switches" in left:
        return f"{words} --skip switches"
    if "--switch all takes them" in left:
        names = dict.fromkeys(t.switch.partition(":")[0] for t in judgement.turned if t.switch)
        return f"{words} --switch {','.join(names)}"
    return words


def line(judgement: Judgement) -> str:
    """A row of the README."""
    own = {s.test: s.verdict for s in judgement.sane if s.method == judgement.method}
    controls = [b for b in judgement.besides if b.control]
    beaten = set(beating(judgement))
    able = {b.metric for b in controls if b.apart >= judgement.needed}
    cells = [
        f"[{judgement.catalog.label(judgement.method)}]({judgement.method}.md)",
        str(judgement.images),
        f"{len(beaten)} of {len(able | beaten)}",
        f"{len(judgement.useless)} of {len(able | set(judgement.useless))}",
        *(own.get(test, "-") for test in (WEIGHTS, CLASS, NOISE)),
        f"`{command(judgement)}`",
    ]
    return f"| {' | '.join(cells)} |"


def put(judgement: Judgement, run: Path, out: Path) -> None:
    """A check's page as Markdown and CSV, with the run's usual name."""
    made = with_runs(page(judgement), {str(FOLDER / NAME): accuracy_in(run)})
    for path in write_page(made, out, Console(file=io.StringIO(), quiet=True)):
        if path.suffix in (".md", ".csv"):
            path.replace(out / f"{judgement.method}{path.suffix}")
        else:
            path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("method", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("results/check"))
    parser.add_argument("--pages", action="store_true", help="of what RUN holds; run nothing")
    asked = parser.parse_args()
    for method in () if asked.pages else asked.method or [*METHODS, *CONTROLS]:
        config = load_config({"out": asked.run}, config_files()["check"])
        check(config, method, skip=[TURNS] * (method in DEAR), say=print)
    asked.out.mkdir(parents=True, exist_ok=True)
    found = {judgement.method: judgement for judgement in finished(asked.run)}
    rows = [found[method] for method in (*METHODS, *CONTROLS) if method in found]
    for judgement in rows:
        put(judgement, asked.run, asked.out)
    lines = "".join(f"{line(judgement)}\n" for judgement in rows)
    (asked.out / "README.md").write_text(HEAD + lines + TAIL, encoding="utf-8")


if __name__ == "__main__":
    main()
