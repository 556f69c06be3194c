"""The takeaways of section 5.2, on fidelity and the class, in the paper's own words."""

from __future__ import annotations

from xaibench.analysis.claims import facts, fidelity, probability, regions, spread
from xaibench.analysis.claims.claim import Claim, Part

_JACKKNIFE = (
    "Of the methods' mean ranks with the probability's; the difference of two correlations is "
    "tested by the t of its infinitesimal jackknife over images, approximate on few of them."
)

SECTION_5_2 = (
    Claim(
        "5.2 (1)",
        "Gradient-based methods perform badly in most fidelity metrics.",
        (
            Part(
                "gradient_weak",
                "Gradient methods are last in most fidelity metrics",
                "In more than half of AI, AD, AG, I, D and M all three are below every CAM, "
                "occlusion (RISE, LIME) and learning method (IBA).",
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
                "Score-CAM is above that of the gradient, that of the occlusion and that of the "
                "learning methods (IBA alone).",
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
            Part(
                "d_not_fooled",
                "so does D",
                "The same in D. All pixels of Fake-CAM's map but one are equal: what is measured "
                "is the order in which the run takes equal pixels.",
                fidelity.d_not_fooled,
            ),
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
                f"More than half of AI, AD, AG, I, D and M do not. {spread.APART}",
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
                "Fake-CAM is in the top two for AI and AD",
                "In both at least eight of the nine others are below it.",
                fidelity.fake_top_two,
            ),
            Part(
                "fake_top_two_in_m",
                "and for M",
                "At least eight of the nine others are below it. The sums of its k steps take two "
                "values where these are of one size, so that its M is at most the square root of "
                "3 / (k + 1): at 224 pixels 0.61 with 7 steps, 0.32 with 28. A smaller last step "
                "allows more.",
                fidelity.fake_top_two_in_m,
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
                "of the images. Exact sums are settled by construction and no verdict. IG is "
                "complete in the limit of many steps: the verdict is of as many as the run has.",
                facts.completeness,
            ),
        ),
    ),
    Claim(
        "5.2, text, on Figure 1",
        "the performances within the set of gradient-based methods do not differ considerably, and "
        "similarly for CAM-based methods",
        (
            Part(
                "gradient_alike",
                "Gradient methods are alike in most fidelity metrics",
                "In more than half of AI, AD, AG, I, D and M the means of Gradient, IG and "
                f"GuidedBP span less than {spread.SPREAD:.0%} of its range; simultaneous intervals "
                "of the means, paired over images, have to lie wholly on one side.",
                spread.gradient_alike,
            ),
            Part(
                "cam_alike",
                "so are CAM methods",
                "The same of Grad-CAM, Grad-CAM++ and Score-CAM.",
                spread.cam_alike,
            ),
        ),
    ),
    Claim(
        "5.2, text, on Figure 1",
        "Overall, fidelity metrics tend to favor saliency maps that highlight large, continuous "
        "regions.",
        (
            Part(
                "favour_large",
                "Most fidelity metrics favour large regions",
                "In more than half of AI, AD, AG, I, D and M the ranks of the ten methods on an "
                "image and those of their maps' size, which is -S, correlate above 0 in the mean "
                "over images. Continuity is not measured.",
                regions.favour_large,
            ),
        ),
    ),
    Claim(
        "5.2, text, on Table 2",
        "the overall performance of interpretability metrics is optimal when considering the "
        "ground truth class",
        (
            Part(
                "truth_above_predicted",
                "Most metrics are higher for the ground truth than for the predicted class",
                "In more than half of AI, 100 - AD, AG, I and 100 - D the methods' mean for the "
                "ground truth is above that for the predicted class.",
                fidelity.truth_above_predicted,
            ),
            Part(
                "truth_above_least",
                "and than for the least probable one",
                "The same beside the least probable class. The paper's own sentence that AI, AD "
                "and D are higher for that class leaves the ground truth AG and I, two of five.",
                fidelity.truth_above_least,
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
        "When the target class is potential, fidelity metrics for saliency maps do not provide "
        "additional information.",
        (
            Part(
                "predicted_alike",
                "Most metrics hardly differ for the predicted class",
                "In more than half of AI, AD, AG, I and D the methods' mean changes by less than "
                f"{fidelity.SLIGHT:.0f} points from the ground truth to the predicted class.",
                fidelity.predicted_alike,
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
        "However, such correlations are not as apparent for other types of saliency methods.",
        (
            Part(
                "others_less",
                "AG and AD go less with it for other methods",
                "The rank correlations of 5.2 on AG (above 0) and AD (below 0) are stronger for "
                "the CAM methods than for the other six informed ones, both; whether those of the "
                "CAM methods are there at all is asked before. " + _JACKKNIFE,
                probability.others_less,
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
                "I's rank correlation is above D's. " + _JACKKNIFE,
                probability.d_less_than_i,
            ),
        ),
    ),
)
