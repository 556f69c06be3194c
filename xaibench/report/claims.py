"""The paper's takeaways as claims that scores can hold up or not.

Each claim has a rule, stated with its thresholds, that is asked of every run and of the paper's
own printed tables. The paper's abstract is quoted where it says a claim itself; the wording of
the sections was not at hand when this was written, so the other claims are paraphrases and say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xaibench.report.claims_evidence import Evidence, Finding, from_paper, from_run
from xaibench.report.claims_images import (
    AGREEMENT,
    CORRELATION,
    PAIRS,
    SPREAD,
    fidelity_indistinct,
    follows_probability,
    robustness_indistinct,
)
from xaibench.report.claims_rules import (
    CONSTANT,
    PASSES,
    RESIDUAL,
    cam_best,
    completeness,
    gradient_weak,
    not_fooled,
    sensitivity_of_others,
)
from xaibench.report.claims_shifts import MOVED, ag_most_stable, transforms_move
from xaibench.report.compare import Source
from xaibench.report.stats import RESAMPLES

_INDISTINCT = (
    f"A metric tells methods apart where the paired 95% intervals of at least {PAIRS:.0%} of the "
    f"method pairs exclude zero and Kendall's W over images is at least {AGREEMENT}; it does not "
    "where W is lower. Holds if more than half of the metrics do not, fails if more than half do. "
    "Printed tables have no images: there, apart is an interquartile range of the methods' means "
    f"of at least {SPREAD:.0%} of the metric's range."
)


@dataclass(frozen=True)
class Claim:
    """A takeaway of the paper, or a finding about it, that scores decide.

    Attributes:
        key: its name in files.
        statement: what is claimed, in one short sentence.
        section: where it stands, as far as known here.
        quotation: the paper's own words, copied from its published abstract; None where its
            words are not known here.
        paraphrase: what the paper says, in this project's words.
        rule: what decides, with the thresholds.
        check: the rule itself; it raises nothing and says what is missing.
        ours: whether it is this project's finding and not the paper's.
    """

    key: str
    statement: str
    section: str
    paraphrase: str
    rule: str
    check: Callable[[Evidence], Finding]
    quotation: str | None = None
    ours: bool = False


CLAIMS = (
    Claim(
        key="gradient_weak",
        statement="Gradient methods do badly in most fidelity metrics.",
        section="On Table 1",
        paraphrase="Gradient, IG and GuidedBP come out badly in most of the fidelity metrics.",
        rule="Holds if in more than half of AI, AD, AG, I, D and M all three are below every CAM "
        "and perturbation method (printed direction: higher is better).",
        check=gradient_weak,
    ),
    Claim(
        key="cam_best",
        statement="CAM methods, Fake-CAM among them, come out best.",
        section="On Table 1",
        paraphrase="The CAM methods have the best fidelity, and Fake-CAM, which explains nothing, "
        "is one of them.",
        rule="Holds if one of Fake-CAM, Grad-CAM, Grad-CAM++ and Score-CAM leads in more than half "
        "of AI, AD, AG, I, D and M, and Fake-CAM itself is ahead of every gradient and "
        "perturbation method in at least one.",
        check=cam_best,
    ),
    Claim(
        key="ag_i_not_fooled",
        statement="AG and I are not fooled by Fake-CAM.",
        section="On Table 1",
        paraphrase="Average gain and insertion, unlike other fidelity metrics, do not reward "
        "Fake-CAM.",
        rule="Holds if Fake-CAM is below all of Grad-CAM, Grad-CAM++ and Score-CAM in both AG and "
        "I.",
        check=not_fooled,
    ),
    Claim(
        key="i_d_follow_probability",
        statement="I and D go with the probability of the class.",
        section="On Figure 2",
        paraphrase="Insertion and deletion correlate with the probability that the network gives "
        "the class on the untouched image.",
        rule="Holds if the median over methods of Spearman's rho over images, of I and of D (the "
        f"area itself) with that probability, is at least {CORRELATION} for both.",
        check=follows_probability,
    ),
    Claim(
        key="fidelity_indistinct",
        statement="Fidelity metrics do not tell methods apart.",
        section="Abstract, where it says of the existing evaluations",
        quotation="these evaluations have their implicit assumption and are not differentiable",
        paraphrase="The existing metrics do not differentiate between saliency maps (the abstract "
        'has "differentiable").',
        rule=f"Metrics AI, AD, AG, I, D and M. {_INDISTINCT}",
        check=fidelity_indistinct,
    ),
    Claim(
        key="robustness_indistinct",
        statement="MS, AS and the complexity metrics do not tell methods apart.",
        section="On Table 3",
        paraphrase="Sensitivity and complexity do not discriminate between methods.",
        rule=f"Metrics MS, AS, S, C and EC. {_INDISTINCT}",
        check=robustness_indistinct,
    ),
    Claim(
        key="transforms_move_all",
        statement="All methods are sensitive to transforms of the input.",
        section="Abstract, of what saliency maps explain too little",
        quotation="the saliency maps do not provide enough information on explaining the accuracy "
        "of network, the relationship between classes and the modification of the images",
        paraphrase="On transformed images the fidelity of every method changes.",
        rule="Holds if for every method the mean absolute change from untransformed to transformed "
        f"inputs, over AI, AD, AG, I, D and the four transforms, is at least {MOVED:.0f} points.",
        check=transforms_move,
    ),
    Claim(
        key="ag_most_stable",
        statement="AG is the most stable metric under transforms.",
        section="On Table 4",
        paraphrase="Of the fidelity metrics, average gain changes least with the transforms.",
        rule="Holds if the mean absolute change in points, over methods and transforms, is smaller "
        "for AG than for AI, AD, I and D.",
        check=ag_most_stable,
    ),
    Claim(
        key="completeness_unmet",
        statement="No method meets completeness.",
        section="On Table 3",
        paraphrase="Every method fails the completeness test; no column is printed.",
        rule=f"Holds if no method passes on {PASSES:.0%} of its images. Passing is exact equality "
        f"in published, a relative residual to {RESIDUAL:.0%} in other protocols, where only "
        "methods that declare themselves additive are tested.",
        check=completeness,
    ),
    Claim(
        key="sensitivity_of_others",
        statement="MS and AS, as computed, do not measure the methods.",
        section="This project's finding on Table 3",
        paraphrase="The paper's code compares each map with another method's explanation of the "
        "perturbed input; Fake-CAM is constant, so its own MS and AS are 0, and 0.96 is printed.",
        rule=f"Holds if Fake-CAM's MS and AS are both above {CONSTANT}.",
        check=sensitivity_of_others,
        ours=True,
    ),
)


@dataclass(frozen=True)
class Checked:
    """A claim and what it came to on each piece of evidence, in the order of these."""

    claim: Claim
    findings: tuple[Finding, ...]


def check_claims(
    sources: Sequence[Source], *, resamples: int = RESAMPLES
) -> tuple[list[Evidence], list[Checked]]:
    """Check every claim on the paper's printed tables and on each run.

    Args:
        sources: the runs; with `predictions` where I and D are to be held against probability.
        resamples: bootstrap resamples behind the verdicts.

    Returns:
        The evidence, the paper's first, and the claims with a finding for each.

    Raises:
        XaibenchError: no scores, or scores of more than one run in one source.
    """
    evidence = [from_paper(), *(from_run(source, resamples) for source in sources)]
    checked = [Checked(c, tuple(c.check(part) for part in evidence)) for c in CLAIMS]
    return evidence, checked
