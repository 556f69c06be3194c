"""Sentences on the experiments that no rule of this package holds to scores, and why not."""

from __future__ import annotations

from typing import NamedTuple


class Unruled(NamedTuple):
    """A sentence, its section, and why no rule is made of it."""

    section: str
    quotation: str
    why: str


UNRULED = (
    Unruled(
        "Abstract",
        "the existing evaluation does not provide a fair nor meaningful comparison to the existing "
        "saliency maps; these evaluations have their implicit assumption and are not "
        "differentiable",
        "The conclusion of all of section 5, of which each sentence is asked by itself; what an "
        "evaluation assumes, and whether it can be differentiated, no score says.",
    ),
    Unruled(
        "Abstract",
        "the saliency maps do not provide enough information on explaining the accuracy of "
        "network, the relationship between classes and the modification of the images",
        "No measure of enough is given. The sentences on Tables 2 and 4 have rules.",
    ),
    Unruled(
        "3, takeaway",
        "the variety of value ranges, textures, and scope makes it a priori difficult to compare "
        "saliency maps obtained from different method categories",
        "A statement about maps, not about a score. `run --protocol` changes how they are "
        "normalised, and `ablate` says what that moves.",
    ),
    Unruled(
        "4.1",
        "Since a trivial increase in prediction can be detected by AI, it has a fundamental flaw",
        "An argument about the definition. That Fake-CAM, whose increases are trivial, is in the "
        "top two by AI and not by AG has rules.",
    ),
    Unruled(
        "4.1",
        "the assumptions of monotonicity and completeness are not realistic for image classifiers",
        "No measure of realistic is given. That no method meets completeness has a rule.",
    ),
    Unruled(
        "4.1",
        "the metrics tend to favor small and compact regions",
        "Of I and D, and cited from elsewhere. The sentence of 5.2 that most metrics favour large "
        "ones has a rule, whose numbers give I and D too.",
    ),
    Unruled(
        "4, takeaways (1) to (4)",
        "Fidelity is the most critical property for evaluating saliency maps as explanations, but "
        "for images, the assumptions behind the metrics are not always valid",
        "An argument about definitions. Of the assumptions one has a rule: that no method meets "
        "completeness.",
    ),
    Unruled(
        "4, takeaways (1) to (4)",
        "Robustness and complexity are important mathematical properties that a good saliency map "
        "method should possess, but they do not directly address explainability. (3) Localization "
        "is not necessarily linked to explanation. (4) The sanity check is considered a subset "
        "concept of fidelity.",
        "The same: nothing here says what explains.",
    ),
    Unruled(
        "5.2 (3)",
        "to a lesser extent D",
        "No extent is said. The rules for AG, I and D tell how far Fake-CAM is below the lowest "
        "CAM method: as printed, the farthest in D.",
    ),
    Unruled(
        "5.2, text, on Table 1",
        "On average, CAM-based methods can be considered to perform best.",
        "No average over metrics of different scales is given. 5.2 (2) says the same and has a "
        "rule.",
    ),
    Unruled(
        "5.2, text",
        "which echoes the result of (Adebayo et al., 2018b) that they fail in sanity checking",
        "The paper has no sanity check. `xaibench check METHOD` has: weights drawn anew, another "
        "class, noise.",
    ),
    Unruled(
        "5.2, text, on Figure 1",
        "gradient-based methods (IG) appear to provide the least information",
        "An impression of pictures; `report --figures` draws them.",
    ),
    Unruled(
        "5.2, text, on Figure 1",
        "only the gradient-based method IG could be considered to produce meaningful structural "
        "information on its own",
        "The same, of the same pictures.",
    ),
    Unruled(
        "5.2, text, on Figure 1",
        "The worst cases for I and D metrics are rooted in the same image",
        "About one image of ImageNet's validation set, not named: others say nothing of it.",
    ),
    Unruled(
        "5.2, text, on Table 2",
        "existing fidelity metrics manage to approximate the model's prediction to some extent",
        "No extent is said. The correlations of I, D, AG and AD with the probability are above.",
    ),
    Unruled(
        "5.3, text, on Table 3",
        "most methods exhibit similar values with respect to these metrics",
        "The same as 5.3 (1), which has a rule.",
    ),
    Unruled(
        "5.3, text, on Table 3",
        "these metrics cannot effectively distinguish which saliency methods outperform others",
        "The same again.",
    ),
    Unruled(
        "5.3, text, on Table 3",
        "they do not adequately address explainability",
        "No score says what is adequate.",
    ),
    Unruled(
        "6",
        "not all concepts are essential in this field such as localization",
        "What is essential no score says. Against the boxes of ImageNet, `pointing_game` and "
        "`energy_pointing_game` measure localization.",
    ),
    Unruled(
        "6",
        "existing metrics turn out to not always be realistic for images, such as Monotonicity and "
        "Completeness",
        "No measure of realistic is given. That no method meets completeness has a rule.",
    ),
    Unruled(
        "6",
        "which suggests that our conclusions are likely generalising to other models and datasets "
        "as well",
        "No sentence is singled out: each is asked of every run named, and `report --across` says "
        "how far rankings agree between networks.",
    ),
    Unruled(
        "6",
        "saliency methods often lack sufficient class-specific information",
        "No table shows it: Table 2 changes the class of map and score together. `xaibench check` "
        "asks whether the map changes with the class.",
    ),
)
