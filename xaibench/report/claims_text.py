"""The claims in the terminal, in Markdown and in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from xaibench.report.claims import Checked, Claim
from xaibench.report.claims_evidence import (
    FAILS,
    HOLDS,
    SUPPORT,
    UNMEASURED,
    Evidence,
    Finding,
)
from xaibench.report.columns import TARGET_NAMES
from xaibench.report.header import PAPER
from xaibench.report.markdown import escape
from xaibench.report.paired import MIN_IMAGES

_STYLES = {HOLDS: "green", FAILS: "red", UNMEASURED: "dim"}
_SHORT = {HOLDS: HOLDS, FAILS: FAILS, UNMEASURED: "not measurable"}


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
        f"and the same answer in {SUPPORT:.0%} of bootstrap resamples of the images; otherwise the "
        "claim is not measurable here."
    )
    return lines


def source_line(claim: Claim) -> str:
    """The paper's words, or that these are ours."""
    if claim.ours:
        return f"{claim.section}: {claim.paraphrase}"
    if claim.quotation is None:
        return f"{claim.section}; paraphrase: {claim.paraphrase}"
    return f'{claim.section}: "{claim.quotation}". Read as: {claim.paraphrase}'


def finding_line(finding: Finding) -> str:
    """Verdict, numbers and images in one line."""
    words = f"{finding.verdict}: {finding.numbers}"
    tail = [f"n {finding.n:,}"] if finding.n is not None else []
    if finding.support is not None and finding.verdict != UNMEASURED:
        tail.append(f"same in {finding.support:.1%} of the resamples")
    return words + f" ({', '.join(tail)})" * bool(tail)


def print_claims(
    console: Console, evidence: Sequence[Evidence], checked: Sequence[Checked]
) -> None:
    """Print the verdicts side by side, then each claim with its source, rule and numbers."""
    console.print(Text("Which of the paper's claims hold", style="bold"))
    for line in lines_above(evidence):
        console.print(Text(line, style="dim"))
    console.print()
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for head in ("Claim", *labels(evidence)):
        grid.add_column(head, overflow="fold")
    for number, part in enumerate(checked, 1):
        verdicts = [Text(_SHORT[f.verdict], style=_STYLES[f.verdict]) for f in part.findings]
        grid.add_row(Text(f"{number}. {part.claim.statement}"), *verdicts)
    console.print(grid)
    for number, part in enumerate(checked, 1):
        console.print()
        console.print(Text(f"{number}. {part.claim.statement}", style="bold"))
        lines = [Text(source_line(part.claim), style="italic")]
        lines.append(Text(f"Rule: {part.claim.rule}", style="dim"))
        for name, finding in zip(labels(evidence), part.findings, strict=True):
            text = Text(f"{name}: ", style=_STYLES[finding.verdict])
            lines.append(text.append(finding_line(finding), style="default"))
        console.print(Padding(Group(*lines), (0, 0, 0, 3)))


def to_markdown(evidence: Sequence[Evidence], checked: Sequence[Checked]) -> str:
    """Return the claims as a Markdown page: a table of verdicts, then each claim."""
    heads = ["Claim", *labels(evidence)]
    table = [f"| {' | '.join(escape(h) for h in heads)} |", "| --- " * len(heads) + "|"]
    details = []
    for number, part in enumerate(checked, 1):
        verdicts = [_SHORT[finding.verdict] for finding in part.findings]
        table.append(f"| {' | '.join([f'{number}. {escape(part.claim.statement)}', *verdicts])} |")
        lines = [f"## {number}. {escape(part.claim.statement)}", escape(source_line(part.claim))]
        lines.append(f"Rule: {escape(part.claim.rule)}")
        found = zip(labels(evidence), part.findings, strict=True)
        lines.append(
            "\n".join(f"- **{escape(name)}**: {escape(finding_line(f))}" for name, f in found)
        )
        details.append("\n\n".join(lines))
    above = "\n".join(f"- {escape(line)}" for line in lines_above(evidence))
    return "\n\n".join(
        ["# Which of the paper's claims hold", above, "\n".join(table), *details, ""]
    )


def to_json(evidence: Sequence[Evidence], checked: Sequence[Checked]) -> str:
    """Return the claims with their rules and findings as JSON."""
    names = labels(evidence)
    content = {
        "paper": PAPER,
        "minimum_images": MIN_IMAGES,
        "support": SUPPORT,
        "evidence": [
            {
                "label": label,
                "name": part.name,
                "protocol": part.protocol,
                "target": part.target,
                "images": part.images,
            }
            for label, part in zip(names, evidence, strict=True)
        ],
        "claims": [
            {
                "key": part.claim.key,
                "statement": part.claim.statement,
                "section": part.claim.section,
                "quotation": part.claim.quotation,
                "paraphrase": part.claim.paraphrase,
                "this_projects_finding": part.claim.ours,
                "rule": part.claim.rule,
                "findings": [
                    {"evidence": label} | asdict(finding)
                    for label, finding in zip(names, part.findings, strict=True)
                ],
            }
            for part in checked
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
