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
        "4, takeaways (1) to (4)",
        "Fidelity is the most critical property for evaluating saliency maps as explanations",
        "Arguments about definitions, like the other three; no score could turn them round.",
    ),
    Unruled(
        "5.2, text",
        "which echoes the result of (Adebayo et al., 2018b) that they fail in sanity checking",
        "The paper has no sanity check. `xaibench check METHOD` has: weights drawn anew, another "
        "class, noise.",
    ),
    Unruled(
        "5.2, text, on Figure 1",
        "only the gradient-based method IG could be considered to produce meaningful structural "
        "information on its own",
        "An impression of pictures; `report --figures` draws them.",
    ),
    Unruled(
        "5.2, text, on Figure 1",
        "The worst cases for I and D metrics are rooted in the same image",
        "About one of 50,000 validation images: other images say nothing of it.",
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
        "6",
        "saliency methods often lack sufficient class-specific information",
        "No table shows it: Table 2 changes the class of map and score together. `xaibench check` "
        "asks whether the map changes with the class.",
    ),
)
