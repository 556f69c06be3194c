"""The paper's takeaways in its own words, and the rules that scores hold them to.

A sentence that says two things has two parts. Each part has a rule, stated with its thresholds,
asked of every run and of the paper's own printed tables; `docs/statistics.md` holds how often each
holds on noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xaibench.analysis.claims import facts, fidelity, probability, shifts, spread
from xaibench.analysis.claims.evidence import Evidence, Finding


@dataclass(frozen=True)
class Part:
    """One half of a takeaway, or all of it.

    Attributes:
        key: its name in files.
        reads: what is checked, in a few words.
        rule: when it holds, with the thresholds; it fails where the contrary is shown.
        check: the rule itself; it raises nothing and says what is missing.
    """

    key: str
    reads: str
    rule: str
    check: Callable[[Evidence], Finding]


@dataclass(frozen=True)
class Claim:
    """A takeaway of the paper: its section, its own words, and the parts that are checked."""

    section: str
    quotation: str
    parts: tuple[Part, ...]


_APART = (
    "A metric tells methods apart where the middle half (interquartile range) of their means "
    f"spans {spread.SPREAD:.0%} of its range; simultaneous intervals of the means, paired over "
    "images, have to lie wholly on one side."
)
_SIZE = (
    "The size of a change counts only as far as images that did not choose its direction bear it "
    "out, so that noise is no change."
)

CLAIMS = (
    Claim(
        "5.2 (1)",
        "Gradient-based methods perform badly in most fidelity metrics.",
        (
            Part(
                "gradient_weak",
                "Gradient methods are last in most fidelity metrics",
                "In more than half of AI, AD, AG, I, D and M all three are below every CAM and "
                "perturbation method.",
                fidelity.gradient_weak,
            ),
        ),
    ),
    Claim(
        "5.2 (2)",
        "CAM-based methods (notably including Fake-CAM) perform best overall across fidelity "
        "metrics.",
        (
            Part(
                "cam_best",
                "CAM methods are best in most fidelity metrics",
                "In more than half of AI, AD, AG, I, D and M the mean of Grad-CAM, Grad-CAM++ and "
                "Score-CAM is above that of the gradient and that of the perturbation methods.",
                fidelity.cam_best,
            ),
            Part(
                "fake_cam_best",
                "so is Fake-CAM",
                "The same of Fake-CAM alone.",
                fidelity.fake_cam_best,
            ),
        ),
    ),
    Claim(
        "5.2 (3)",
        "Among existing metrics of fidelity, AG and I (and to a lesser extent D) are not fooled by "
        "Fake-CAM.",
        (
            Part(
                "ag_i_not_fooled",
                "AG and I put Fake-CAM below the CAM methods",
                "Fake-CAM is below each of Grad-CAM, Grad-CAM++ and Score-CAM in both.",
                fidelity.ag_i_not_fooled,
            ),
            Part("d_not_fooled", "so does D", "The same in D.", fidelity.d_not_fooled),
        ),
    ),
    Claim(
        "5.2 (4)",
        "I and D show a positive correlation with the probability of ground truth.",
        (
            Part(
                "i_d_positive",
                "I and D rise with the probability",
                "Over images, the ranks of the probability and the methods' mean ranks of I, and "
                "of D (the area itself), correlate above 0. Fails where a correlation is below "
                f"{probability.NONE}.",
                probability.i_d_positive,
            ),
        ),
    ),
    Claim(
        "5.2 (5)",
        "Overall, the fidelity metrics are not discriminative enough to meaningfully tell apart "
        "performance of specific saliency methods.",
        (
            Part(
                "fidelity_indistinct",
                "Most fidelity metrics do not tell the methods apart",
                f"More than half of AI, AD, AG, I, D and M do not. {_APART}",
                spread.fidelity_indistinct,
            ),
            Part(
                "fidelity_indistinct_without",
                "nor without the three gradient methods",
                "The same without Gradient, IG and GuidedBP.",
                spread.fidelity_indistinct_without,
            ),
        ),
    ),
    Claim(
        "5.2, text",
        "The fact that Fake-CAM ranks in the top two for AI/AD/Monotonicity highlights the "
        "shortcomings of current fidelity metrics",
        (
            Part(
                "fake_top_two",
                "Fake-CAM is in the top two for AI, AD and M",
                "In each of the three at least eight of the nine others are below it.",
                fidelity.fake_top_two,
            ),
        ),
    ),
    Claim(
        "5.2, text",
        "All the methods fail to satisfy the completeness assumption (not shown in the table).",
        (
            Part(
                "completeness_unmet",
                "No method meets completeness",
                f"No method's relative residual is within {facts.WITHIN:.0%} on {facts.PASSES:.0%} "
                "of the images. Exact sums are settled by construction and no verdict.",
                facts.completeness,
            ),
        ),
    ),
    Claim(
        "5.2, text, on Table 2",
        "the overall performance of interpretability metrics is optimal when considering the "
        "ground truth class",
        (
            Part(
                "truth_is_optimal",
                "Most metrics are best for the ground truth",
                "In more than half of AI, AD, AG, I and D the methods' mean for the ground truth "
                "is above that for the predicted and that for the least probable class.",
                fidelity.truth_is_optimal,
            ),
        ),
    ),
    Claim(
        "5.2, text, on Table 2",
        "performance is only slightly decreased when the attributions are generated for the top-1 "
        "predicted class",
        (
            Part(
                "predicted_slightly_lower",
                "Most metrics are slightly lower for the predicted class",
                "In more than half of AI, AD, AG, I and D the methods' mean falls, and by less "
                f"than {fidelity.SLIGHT:.0f} points.",
                fidelity.predicted_slightly_lower,
            ),
        ),
    ),
    Claim(
        "5.2, text, on Table 2",
        "higher values for AI/AD/D and extremely lower values for AG/I",
        (
            Part(
                "least_probable_apart",
                "The least probable class stands out",
                "For it the methods' mean is higher in AI, 100 - AD and 100 - D, and in AG and I "
                f"under {fidelity.TENTH:.0%} of what it is for the ground truth.",
                fidelity.least_probable_apart,
            ),
        ),
    ),
    Claim(
        "5.2, text, on Figure 2",
        "For CAM-based methods, there is a clear positive correlation between AG and y_c, and a "
        "negative correlation between AD and y_c",
        (
            Part(
                "cam_ag_ad",
                "CAM methods: AG rises, AD falls with the probability",
                "As for 5.2 (4), of the three CAM methods: above 0 for AG, below 0 for AD (the "
                "drop itself).",
                probability.cam_ag_ad,
            ),
        ),
    ),
    Claim(
        "5.2, text, on Figure 2",
        "Generally, there is a positive correlation between I and y_c, and while there is also a "
        "positive correlation between D and y_c, it is not as pronounced as that for I.",
        (
            Part(
                "i_positive", "I rises with the probability", "As 5.2 (4).", probability.i_positive
            ),
            Part(
                "d_less_than_i",
                "D less than I",
                "I's rank correlation is above D's, by its jackknife over images.",
                probability.d_less_than_i,
            ),
        ),
    ),
    Claim(
        "5.3 (1)",
        "The metrics of robustness and complexity primarily identify extreme cases and lack "
        "differentiation in most saliency methods.",
        (
            Part(
                "robustness_extremes",
                "MS, AS, S, C and EC mostly identify extreme cases",
                "In more than half of them one method's mean is at least "
                f"{spread.SPREAD:.0%} of the metric's range from the methods' median.",
                spread.robustness_extremes,
            ),
            Part(
                "robustness_indistinct",
                "they do not tell most methods apart",
                f"More than half of them do not. {_APART}",
                spread.robustness_indistinct,
            ),
        ),
    ),
    Claim(
        "5.3 (2)",
        "All saliency methods are sensitive to transformation, with gradient-based methods being "
        "particularly sensitive.",
        (
            Part(
                "all_sensitive",
                "All methods are sensitive to transforms",
                "For every method the mean size of change from untransformed to transformed "
                "inputs, over AI, AD, AG, I, D and the four transforms, is at least "
                f"{shifts.MOVED:.0f} points. {_SIZE}",
                shifts.all_sensitive,
            ),
            Part(
                "gradient_more_sensitive",
                "gradient methods particularly",
                "Their mean size of change is above that of the CAM and that of the perturbation "
                f"methods. {_SIZE} The printed verdict stands on maps that the paper's code "
                "transposed for these methods alone, on transformed inputs alone: each run says "
                "whether its maps are.",
                shifts.gradient_more,
            ),
        ),
    ),
    Claim(
        "5.3 (3)",
        "Fidelity metrics are also sensitive to transformation, though AG is the most stable among "
        "them.",
        (
            Part(
                "metrics_sensitive",
                "Fidelity metrics are sensitive to transforms",
                "In more than half of AI, AD, AG, I and D the mean size of change over methods and "
                f"transforms is at least {shifts.MOVED:.0f} points. {_SIZE}",
                shifts.metrics_sensitive,
            ),
            Part(
                "ag_most_stable",
                "AG is the most stable",
                f"Its mean size of change in points is below those of AI, AD, I and D. {_SIZE}",
                shifts.ag_most_stable,
            ),
        ),
    ),
    Claim(
        "5.3, text, on Table 4",
        "Values of I generally decrease while values of D increase, with less magnitude in Crop.",
        (
            Part(
                "i_falls_d_rises",
                "I falls and 100 - D rises",
                "The methods' mean of I falls and that of 100 - D, which Table 4 prints as D, "
                "rises under more than half of the transforms.",
                shifts.i_falls_d_rises,
            ),
            Part(
                "less_in_crop",
                "less in Crop",
                "Both changes are smaller under crop than under each of the other three.",
                shifts.less_in_crop,
            ),
        ),
    ),
    Claim(
        "5.3, text, on Table 4",
        "CAM-based methods perform more stably",
        (
            Part(
                "cam_more_stable",
                "CAM methods are more stable than gradient methods",
                f"Their mean size of change is below that of the gradient methods. {_SIZE}",
                shifts.cam_more_stable,
            ),
        ),
    ),
)
