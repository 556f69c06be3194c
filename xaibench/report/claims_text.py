"""The claims in the terminal, in Markdown and in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from string import ascii_lowercase

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from xaibench.analysis.claims.check import Checked
from xaibench.analysis.claims.claim import Part
from xaibench.analysis.claims.evidence import (
    ALPHA,
    FACT,
    FAILS,
    HOLDS,
    UNMEASURED,
    Evidence,
    Finding,
)
from xaibench.analysis.claims.facts import facts
from xaibench.analysis.columns import TARGET_NAMES
from xaibench.analysis.header import PAPER
from xaibench.analysis.stats import MIN_IMAGES
from xaibench.report.render.markdown import escape

_STYLES = {HOLDS: "green", FAILS: "red", UNMEASURED: "dim", FACT: "dim"}
_SHORT = {HOLDS: HOLDS, FAILS: FAILS, UNMEASURED: "not measurable", FACT: "(fact)"}
_TITLE = "Which of the paper's claims hold"
_FACTS = "Settled by construction"


def labels(evidence: Sequence[Evidence]) -> list[str]:
    """A short name for each: "printed", its protocol, with a number where two share one."""
    protocols = [part.protocol for part in evidence]
    named = []
    for index, name in enumerate(protocols):
        again = f" {protocols[: index + 1].count(name)}" if protocols.count(name) > 1 else ""
        named.append(f"{name}{again}")
    return named


def lines_above(evidence: Sequence[Evidence]) -> list[str]:
    """What is compared, and what a verdict takes."""
    lines = [f"Paper: {PAPER}. printed: the rule applied to its own tables."]
    for name, part in list(zip(labels(evidence), evidence, strict=True))[1:]:
        target = TARGET_NAMES.get(part.target, part.target)
        plural = "s" * (part.images != 1)
        lines.append(f"{name}: {part.name}, {part.images:,} image{plural}, {target}")
    lines.append(
        f"A verdict takes at least {MIN_IMAGES} images with a usable score in every cell it needs, "
        f"and a one-sided p of at most {ALPHA} for it (paired over images, corrected for the "
        "comparisons in its rule); its contrary takes the same. Otherwise the claim is not "
        "measurable here."
    )
    return lines


def finding_line(finding: Finding) -> str:
    """Verdict, numbers and images in one line."""
    words = f"{finding.verdict}: {finding.numbers}"
    tail = [f"n {finding.n:,}"] if finding.n is not None else []
    if finding.p is not None:
        tail.append(f"p {finding.p:.2g}" if finding.p >= 1e-4 else "p < 0.0001")
    return words + f" ({', '.join(tail)})" * bool(tail)


def _parts(number: int, claim: Checked) -> list[tuple[str, Part, tuple[Finding, ...]]]:
    """Each part with its number, `11b` where a claim has several."""
    several = len(claim.findings) > 1
    return [
        (f"{number}{letter if several else ''}", part, findings)
        for letter, part, findings in zip(
            ascii_lowercase, claim.claim.parts, claim.findings, strict=False
        )
    ]


def _facts(evidence: Sequence[Evidence]) -> list[tuple[str, str]]:
    named = zip(labels(evidence), evidence, strict=True)
    return [(name, line) for name, part in named for line in facts(part)]


def print_claims(
    console: Console, evidence: Sequence[Evidence], checked: Sequence[Checked]
) -> None:
    """Print the verdicts side by side, the facts, then each claim with its rules and numbers."""
    console.print(Text(_TITLE, style="bold"))
    for line in lines_above(evidence):
        console.print(Text(line, style="dim"))
    console.print()
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for head in ("Claim", *labels(evidence)):
        grid.add_column(head, overflow="fold")
    for number, claim in enumerate(checked, 1):
        for name, part, findings in _parts(number, claim):
            verdicts = [Text(_SHORT[f.verdict], style=_STYLES[f.verdict]) for f in findings]
            grid.add_row(Text(f"{name}. {part.reads}"), *verdicts)
    console.print(grid)
    if known := _facts(evidence):
        console.print()
        console.print(Text(f"{_FACTS} (no verdicts)", style="bold"))
        for name, line in known:
            console.print(Padding(Text(f"{name}: {line}"), (0, 0, 0, 3)))
    for number, claim in enumerate(checked, 1):
        console.print()
        console.print(Text(f'{number}. {claim.claim.section}: "{claim.claim.quotation}"'))
        for name, part, findings in _parts(number, claim):
            lines = [Text(f"{name}. {part.reads}", style="bold")]
            lines.append(Text(f"Rule: {part.rule}", style="dim"))
            for label, finding in _verdicts(evidence, findings):
                text = Text(f"{label}: ", style=_STYLES[finding.verdict])
                lines.append(text.append(finding_line(finding), style="default"))
            console.print(Padding(Group(*lines), (0, 0, 0, 3)))


def _verdicts(
    evidence: Sequence[Evidence], findings: Sequence[Finding]
) -> list[tuple[str, Finding]]:
    """The findings with the evidence's name, without what stands under the facts."""
    named = zip(labels(evidence), findings, strict=True)
    return [(label, finding) for label, finding in named if finding.verdict != FACT]


def to_markdown(evidence: Sequence[Evidence], checked: Sequence[Checked]) -> str:
    """Return the claims as a Markdown page: a table of verdicts, the facts, then each claim."""
    heads = ["Claim", *labels(evidence)]
    table = [f"| {' | '.join(escape(h) for h in heads)} |", "| --- " * len(heads) + "|"]
    details = []
    for number, claim in enumerate(checked, 1):
        lines = [
            f"## {number}. {escape(claim.claim.section)}",
            f"> {escape(claim.claim.quotation)}",
        ]
        for name, part, findings in _parts(number, claim):
            verdicts = [_SHORT[finding.verdict] for finding in findings]
            table.append(f"| {' | '.join([f'{name}. {escape(part.reads)}', *verdicts])} |")
            lines += [f"**{name}. {escape(part.reads)}.** Rule: {escape(part.rule)}"]
            found = _verdicts(evidence, findings)
            lines.append(
                "\n".join(f"- **{escape(x)}**: {escape(finding_line(f))}" for x, f in found)
            )
        details.append("\n\n".join(lines))
    known = [f"- **{escape(name)}**: {escape(line)}" for name, line in _facts(evidence)]
    settled = [f"## {_FACTS}", "\n".join(known)] if known else []
    above = "\n".join(f"- {escape(line)}" for line in lines_above(evidence))
    return "\n\n".join([f"# {_TITLE}", above, "\n".join(table), *settled, *details, ""])


def to_json(evidence: Sequence[Evidence], checked: Sequence[Checked]) -> str:
    """Return the claims with their rules and findings as JSON."""
    names = labels(evidence)
    content = {
        "paper": PAPER,
        "minimum_images": MIN_IMAGES,
        "alpha": ALPHA,
        "evidence": [
            {
                "label": label,
                "name": part.name,
                "protocol": part.protocol,
                "target": part.target,
                "images": part.images,
                "facts": facts(part),
            }
            for label, part in zip(names, evidence, strict=True)
        ],
        "claims": [
            {
                "section": claim.claim.section,
                "quotation": claim.claim.quotation,
                "parts": [
                    {
                        "key": part.key,
                        "reads": part.reads,
                        "rule": part.rule,
                        "findings": [
                            {"evidence": label} | asdict(finding)
                            for label, finding in zip(names, findings, strict=True)
                        ],
                    }
                    for _, part, findings in _parts(number, claim)
                ],
            }
            for number, claim in enumerate(checked, 1)
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
