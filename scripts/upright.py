"""Are gradient methods "particularly sensitive" to transforms where their maps stand upright?

    python scripts/upright.py RESULTS [RUN ...]

RESULTS/published has Table 4 as the paper's code made it, with the maps of gradient methods
transposed on transformed inputs. Each RUN is the same of some of these methods without: what
`xaibench ablate --switch normalization.METHOD.transpose` left. Their scores are kept as
RESULTS/transposed/upright.parquet. There they take the place of the published ones, and the claims
about these methods are asked of both, on the photographs that both have: claims.md, claims.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

import xaibench
from xaibench.analysis.claims.check import CLAIMS
from xaibench.analysis.claims.claim import Part
from xaibench.analysis.claims.evidence import GRADIENT, from_run
from xaibench.analysis.claims.finding import Finding
from xaibench.analysis.compare import Source
from xaibench.config.catalog import Catalog
from xaibench.config.declared import of_protocol
from xaibench.config.protocol import load_protocol
from xaibench.report.pages.claims import finding_line

ROW = ["image", "target", "transform", "variation", "method", "metric"]
ASKED = ("gradient_more_sensitive", "gradient_vary", "cam_more_stable")
HEAD = """# Are gradient methods sensitive to transforms where their maps stand upright?

Made by `python scripts/upright.py results`. The claims about the gradient methods under transforms,
on {images} photographs: with the maps of {methods} transposed on transformed inputs, as the
paper's code scored them, and with the same maps upright. Other gradient methods are left out.
"""


def two(published: pd.DataFrame, upright: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The scores with transposed and with upright maps, of the same photographs and methods."""
    methods = set(upright["method"])
    whole = published[
        published["image"].isin(set(upright["image"]))
        & ~published["method"].isin(set(GRADIENT) - methods)
    ]
    yield whole
    moved = whole["method"].isin(methods) & (whole["transform"] != "none")
    yield pd.concat([whole[~moved], upright.assign(protocol=whole["protocol"].iloc[0])])


def catalogs() -> Iterator[Catalog]:
    """What `published` declares, and the same without the transposition."""
    options = load_protocol("published").model_dump(mode="json")
    yield of_protocol(options)
    steps = {m: {**step, "transpose": False} for m, step in options["normalization"].items()}
    yield of_protocol({**options, "normalization": steps})


def asked(published: pd.DataFrame, upright: pd.DataFrame) -> list[tuple[Part, dict[str, Finding]]]:
    """The parts about gradient methods, asked of both."""
    parts = [part for claim in CLAIMS for part in claim.parts if part.key in ASKED]
    frames = zip(("transposed", "upright"), two(published, upright), catalogs(), strict=True)
    evidence = {name: from_run(Source(name, one, catalog=known)) for name, one, known in frames}
    return [(part, {name: part.check(one) for name, one in evidence.items()}) for part in parts]


def page(found: Sequence[tuple[Part, dict[str, Finding]]], upright: pd.DataFrame) -> str:
    """As Markdown."""
    label = next(catalogs()).label
    names = " and ".join(label(method) for method in upright["method"].unique())
    lines = [HEAD.format(images=upright["image"].nunique(), methods=names)]
    for part, findings in found:
        lines.append(f"**{part.reads[0].upper()}{part.reads[1:]}.** {part.rule}\n")
        lines += [f"- {name}: {finding_line(one)}" for name, one in findings.items()]
        lines.append("")
    return "\n".join(lines)


def main(results: Path, runs: Sequence[Path]) -> None:
    """Keep the scores of the runs, and ask the claims."""
    folder = results / "transposed"
    if runs:
        held = pd.concat([xaibench.load_scores(run) for run in runs])
        if held.duplicated(ROW).any():
            raise SystemExit("two of these runs have the same methods: give one of each.")
        folder.mkdir(exist_ok=True)
        held[held["transform"] != "none"].to_parquet(folder / "upright.parquet", index=False)
    upright = pd.read_parquet(folder / "upright.parquet")
    found = asked(pd.read_parquet(results / "published" / "scores.parquet"), upright)
    told: dict[str, dict[str, Any]] = {
        part.key: {name: asdict(one) for name, one in findings.items()} for part, findings in found
    }
    (folder / "claims.md").write_text(page(found, upright), encoding="utf-8")
    (folder / "claims.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
