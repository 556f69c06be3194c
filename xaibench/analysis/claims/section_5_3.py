"""The takeaways of section 5.3, on robustness and transforms, in the paper's own words."""

from __future__ import annotations

from xaibench.analysis.claims import moves, probability, shifts, spread
from xaibench.analysis.claims.claim import Claim, Part

_SIZE = (
    "The size of a change counts only as far as images that did not choose its direction bear it "
    "out, so that noise is no change."
)

SECTION_5_3 = (
    Claim(
        "5.3 (1)",
        "The metrics of robustness and complexity primarily identify extreme cases and lack "
        "differentiation in most saliency methods.",
        (
            Part(
                "robustness_extremes",
                "In most of MS, AS, S, C and EC some method stands far out",
                "In more than half of them one method's mean is at least "
                f"{spread.SPREAD:.0%} of the metric's range from the methods' median. "
                f"{spread.UNBOUNDED}",
                spread.robustness_extremes,
            ),
            Part(
                "robustness_indistinct",
                "they do not tell most methods apart",
                f"More than half of them do not. {spread.APART} {spread.UNBOUNDED}",
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
                "Their mean size of change is above that of the CAM, that of the occlusion and "
                f"that of the learning methods (IBA alone). {_SIZE} The printed verdict stands on "
                "maps that the paper's code transposed for these methods alone, on transformed "
                "inputs alone: each run says whether its maps are.",
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
        "When using Fake-CAM as a baseline, we observe that AI increases significantly with "
        "Rotation, while AD drops dramatically with Resize.",
        (
            Part(
                "fake_ai_rises",
                "Fake-CAM's AI rises with Rotation",
                f"By at least {shifts.MOVED:.0f} points, from untransformed to rotated inputs.",
                moves.fake_ai_rises,
            ),
            Part(
                "fake_ad_drops",
                "its AD drops with Resize",
                "100 - AD, which Table 4 prints as AD, falls by at least "
                f"{shifts.MOVED:.0f} points, from untransformed to resized inputs.",
                moves.fake_ad_drops,
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
        "These changes are linked to the variation in prediction probability y_c for the "
        "transformations.",
        (
            Part(
                "linked_to_probability",
                "I and D change with the probability",
                "Images ranked within each transform by what it changes in the probability of the "
                "class, and in the methods' mean area of I, and of D: mean ranks over the four "
                f"transforms correlate above 0, both. Fails where one is below {probability.NONE}.",
                moves.linked_to_probability,
            ),
        ),
    ),
    Claim(
        "5.3, text, on Table 4",
        "The performance of gradient-based methods varies greatly depending on the transformation, "
        "whereas CAM-based methods perform more stably.",
        (
            Part(
                "gradient_vary",
                "Gradient methods differ more from transform to transform",
                "The mean distance of a change from the mean change under all four transforms, "
                "over AI, AD, AG, I and D, is larger for the gradient than for the CAM methods. "
                f"{_SIZE}",
                shifts.gradient_vary,
            ),
            Part(
                "cam_more_stable",
                "CAM methods are more stable than gradient methods",
                f"Their mean size of change is below that of the gradient methods. {_SIZE}",
                shifts.cam_more_stable,
            ),
        ),
    ),
    Claim(
        "5.3, text, on Table 4",
        "Regarding the metrics, we find that only AG remains stable despite the transformations.",
        (
            Part(
                "only_ag_stable",
                "AG alone is stable",
                f"Its mean size of change is under {shifts.MOVED:.0f} points, and those of AI, AD, "
                f"I and D are not. {_SIZE}",
                shifts.only_ag_stable,
            ),
        ),
    ),
)
