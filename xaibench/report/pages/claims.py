"""Which of the paper's claims hold: all verdicts, what construction settles, then each claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from string import ascii_lowercase
from typing import Any

from xaibench.analysis.claims.check import Checked
from xaibench.analysis.claims.claim import Part
from xaibench.analysis.claims.enough import MOST
from xaibench.analysis.claims.evidence import SHORTS, Evidence
from xaibench.analysis.claims.facts import facts
from xaibench.analysis.claims.finding import (
    ALPHA,
    FACT,
    FAILS,
    HOLDS,
    UNDECIDED,
    UNMEASURED,
    Enough,
    Finding,
)
from xaibench.analysis.claims.unruled import UNRULED
from xaibench.analysis.header import PAPER
from xaibench.analysis.stats import MIN_IMAGES
from xaibench.config.declared import shipped
from xaibench.report import document as d
from xaibench.report.text import count, target_name

EVIDENCE = ("label", "name", "protocol", "model", "target", "images", "facts")
_TONES: dict[str, d.Tone] = {
    HOLDS: "good",
    FAILS: "bad",
    UNDECIDED: "dim",
    UNMEASURED: "dim",
    FACT: "dim",
}
_SHORT = {
    HOLDS: HOLDS,
    FAILS: FAILS,
    UNDECIDED: UNDECIDED,
    UNMEASURED: "not measurable",
    FACT: "(fact)",
}


def page(evidence: Sequence[Evidence], checked: Sequence[Checked]) -> d.Document:
    """Return the page of the claims, checked on each evidence."""
    names = labels(evidence)
    known = [
        d.Paragraph(line, label=name)
        for name, part in zip(names, evidence, strict=True)
        for line in facts(part)
    ]
    settled = [d.Section("Settled by construction (no verdicts)", (d.Bullets(known),))]
    claims = [
        d.Section(
            f"{number}. {claim.claim.section}",
            [_verdict(names, *part) for part in _parts(number, claim)],
            quote=claim.claim.quotation,
        )
        for number, claim in enumerate(checked, 1)
    ]
    unruled = [d.Paragraph(f'"{u.quotation}": {u.why}', label=u.section) for u in UNRULED]
    rest = d.Section("Sentences without a rule", (d.Bullets(unruled),))
    return d.Document(
        name="claims",
        formats=("md", "json"),
        title="Which of the paper's claims hold",
        blocks=(d.Bullets(d.small_print(_above(names, evidence))),),
        sections=(d.Section("", (_grid(names, checked),)), *settled * bool(known), *claims, rest),
        content=_content(names, evidence, checked),
    )


def labels(evidence: Sequence[Evidence]) -> list[str]:
    """A short name for each: "printed", its protocol, its network and a number where two share it.

    The network is told where there are several.
    """
    several = len({part.model for part in evidence if part.model}) > 1
    names = [f"{part.protocol} {part.model}" if several else part.protocol for part in evidence]
    names = [name.strip() for name in names]
    numbers = [names[: i + 1].count(name) for i, name in enumerate(names)]
    return [
        f"{name} {number}" if names.count(name) > 1 else name
        for name, number in zip(names, numbers, strict=True)
    ]


def _above(names: Sequence[str], evidence: Sequence[Evidence]) -> list[str]:
    """What is compared, and what a verdict takes."""
    runs = [
        f"{name}: {part.name}, {count(part.images, 'image')}, {target_name(part.target)}"
        for name, part in zip(names, evidence, strict=True)
    ]
    return [
        f"Paper: {PAPER}. printed: the rule applied to its own tables.",
        *runs[1:],
        f"{_abbreviations()}. A rule goes by the numbers as the paper prints them, so that AD and "
        "D are 100 - AD and 100 - D; only where they are said to rise or fall with the "
        "probability are they the drop and the area themselves.",
        f"A verdict takes at least {MIN_IMAGES} images with a usable score in every cell it needs, "
        f"and a one-sided p of at most {ALPHA} for it (paired over images, corrected for the "
        "comparisons in its rule); its contrary takes the same. Where neither is shown it is "
        "undecided, with the number of images, of the same means and spread, at which a verdict "
        "is as likely as not (2.7 times as many make it 90%). Of a rule over all methods those are "
        "left out, and named, that so few images have scores of that too few would be shared.",
        *(
            f"{name} stopped when it was sure (--until): its p-values are of bets on bounded "
            "differences, which hold whenever one looks, over the images that all its cells have."
            for name, part in zip(names, evidence, strict=True)
            if part.anytime
        ),
    ]


def _abbreviations() -> str:
    """`AI: Average increase, AD: ...`, of the metrics that the paper prints."""
    return ", ".join(f"{short}: {shipped().metric(m).title}" for m, short in SHORTS.items())


def _parts(number: int, claim: Checked) -> list[tuple[str, Part, tuple[Finding, ...]]]:
    """Each part with its number, `11b` where a claim has several."""
    letters = ascii_lowercase if len(claim.findings) > 1 else [""]
    return [
        (f"{number}{letter}. {part.reads}", part, findings)
        for letter, part, findings in zip(letters, claim.claim.parts, claim.findings, strict=False)
    ]


def _grid(names: Sequence[str], checked: Sequence[Checked]) -> d.Grid:
    """All verdicts, side by side."""
    parts = [part for number, claim in enumerate(checked, 1) for part in _parts(number, claim)]
    cells = [[d.Cell(_SHORT[f.verdict], tone=_TONES[f.verdict]) for f in x] for *_, x in parts]
    columns = [d.Column(name, left=True) for name in names]
    return d.Grid(("Claim",), columns, [d.Row(reads) for reads, *_ in parts], cells, widest=None)


def _verdict(
    names: Sequence[str], reads: str, part: Part, findings: Sequence[Finding]
) -> d.Verdict:
    """One part with all findings but those that stand under the facts."""
    paragraphs = [
        d.Paragraph(finding_line(finding), _TONES[finding.verdict], name)
        for name, finding in zip(names, findings, strict=True)
        if finding.verdict != FACT
    ]
    return d.Verdict(reads, part.rule, paragraphs)


def finding_line(finding: Finding) -> str:
    """Verdict, numbers and images in one line."""
    words = f"{finding.verdict}: {finding.numbers}"
    tail = [f"n {finding.n:,}"] if finding.n is not None else []
    if finding.p is not None:
        tail.append(f"p {finding.p:.2g}" if finding.p >= 1e-4 else "p < 0.0001")
    words += f" ({', '.join(tail)})" * bool(tail)
    if finding.needed is not None:
        words += f"; {_needed(finding.needed)}"
    return words


def _needed(enough: Enough) -> str:
    if enough.images is None:
        return f"{MOST:,} such images would not decide it either: it lies at the rule's threshold"
    return f"about {enough.images:,} such images would decide it ({enough.verdict})"


def _content(
    names: Sequence[str], evidence: Sequence[Evidence], checked: Sequence[Checked]
) -> dict[str, Any]:
    return {
        "paper": PAPER,
        "minimum_images": MIN_IMAGES,
        "alpha": ALPHA,
        "evidence": [
            d.record(EVIDENCE, vars(part), label=name, facts=facts(part))
            for name, part in zip(names, evidence, strict=True)
        ],
        "claims": [
            {
                "section": claim.claim.section,
                "quotation": claim.claim.quotation,
                "parts": [
                    d.record(
                        ("key", "reads", "rule", "findings"),
                        vars(part),
                        findings=[
                            {"evidence": name} | asdict(finding)
                            for name, finding in zip(names, findings, strict=True)
                        ],
                    )
                    for part, findings in zip(claim.claim.parts, claim.findings, strict=True)
                ],
            }
            for claim in checked
        ],
        "without_rule": [u._asdict() for u in UNRULED],
    }
