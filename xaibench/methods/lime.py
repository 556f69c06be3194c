"""LIME for images (Ribeiro et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from torch import Tensor

from xaibench.ops import surrogate
from xaibench.ops.superpixels import submit
from xaibench.registry import Range, method
from xaibench.types import Batch, Context, Cost, Explanation


# Captum's Lasso (alpha 0.08) suits logits; fitted to probabilities, most coefficients are 0:
# lime(score=probability) alone is a constant map on four of the first five embedded photographs.
@method(
    title="LIME",
    family="perturbation",
    together=(("surrogate_model", "score"),),
    cost=lambda n_samples, **_: Cost(shared=n_samples),
    citation="ribeiro2016lime",
)
def lime(
    ctx: Context,
    batch: Batch,
    state: None,
    *,
    n_samples: Annotated[int, Range(2)] = 1000,
    hidden: Literal["mean_colour", "zero"] = "mean_colour",
    segment_space: Literal["pixels", "normalised"] = "pixels",
    surrogate_model: Literal["ridge", "lasso"] = "ridge",
    score: Literal["probability", "logit"] = "probability",
    sign: Literal["positive", "abs"] = "positive",
) -> Explanation:
    """Coefficients of a linear model over superpixels, painted on them (Ribeiro et al. 2016).

    Map (B, T, H, W). ridge: the lime package (alpha 1, cosine distance of the samples, kernel
    width 0.25, the first sample shows everything). lasso: captum with alpha 0.08, euclidean
    distance of the normalised images, kernel width 1000. Segments are quickshift(4, 200, 0.2) of
    the [0, 1] pixels or of the normalised image, cut on worker processes; samples are
    Bernoulli(0.5), drawn per image. One pass a sample serves all targets.
    """
    images, device = batch.images, batch.images.device
    source = images if batch.originals is None else batch.originals
    pixels = ctx.classifier.to_pixels(source) if segment_space == "pixels" else source
    arrays = pixels.permute(0, 2, 3, 1).cpu().numpy()
    futures = {  # perturbed inputs share their image's segments
        name: submit(arrays[i], ctx.workers, kernel_size=4, max_dist=200, ratio=0.2)
        for name, i in {name: i for i, name in enumerate(batch.ids)}.items()
    }
    parts: list[tuple[Tensor, Tensor, Tensor]] = []  # segments, samples, hidden image

    def masked() -> Iterator[Tensor]:
        """Inputs image by image; later images are segmented while earlier ones are forwarded."""
        for image, name in zip(images, batch.ids, strict=True):
            cut = torch.from_numpy(futures[name].result())
            generator = ctx.generator(name, "lime")
            shown = torch.rand(n_samples, int(cut.max()) + 1, generator=generator) < 0.5
            if surrogate_model == "ridge":
                shown[0] = True
            mean = hidden == "mean_colour"
            other = surrogate.mean_colours(image, cut) if mean else torch.zeros_like(image)
            segments = cut.to(device)
            parts.append((segments, shown, other))
            for some in shown.to(device).split(ctx.batch_size):
                yield torch.where(some[:, segments][:, None], image, other)

    classes = batch.targets.repeat_interleave(n_samples, 0)
    scores: list[Tensor] = []
    done = 0
    for logits in ctx.stream(masked()):
        values = logits.softmax(-1) if score == "probability" else logits
        scores.append(values.gather(1, classes[done : done + len(values)]))
        done += len(values)
    table = torch.cat(scores).view(len(batch), n_samples, -1)
    maps = []
    for image, values, (segments, shown, other) in zip(images, table, parts, strict=True):
        energy = ((other - image) ** 2).sum(0)
        fitted = surrogate.fit(surrogate_model, shown, values, segments, energy)
        fitted = fitted.abs() if sign == "abs" else fitted.clamp(min=0)
        maps.append(fitted.to(device)[:, segments])
    return Explanation(torch.stack(maps))
