"""LIME for images (Ribeiro et al. 2016)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from xaibench.ops import surrogate
from xaibench.ops.pairs import chunks
from xaibench.ops.superpixels import submit
from xaibench.registry import Range, method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    family="perturbation",
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
    futures = [submit(a, ctx.workers, kernel_size=4, max_dist=200, ratio=0.2) for a in arrays]
    segments = [torch.from_numpy(f.result()).to(device) for f in futures]
    shown, hiding = [], []
    for i, image in enumerate(batch.ids):
        count = int(segments[i].max()) + 1
        drawn = torch.rand(n_samples, count, generator=ctx.generator(image, "lime")) < 0.5
        if surrogate_model == "ridge":
            drawn[0] = True
        shown.append(drawn.float().to(device))
        colours = hidden == "mean_colour"
        hiding.append(
            surrogate.mean_colours(images[i], segments[i])
            if colours
            else torch.zeros_like(images[i])
        )
    table = _scores(ctx, batch, segments, shown, hiding, n_samples, score)
    maps = []
    for i in range(len(batch)):
        distances = ((hiding[i] - images[i]) ** 2).sum(0)
        fitted = surrogate.fit(surrogate_model, shown[i], table[i], segments[i], distances)
        fitted = fitted.abs() if sign == "abs" else fitted.clamp(min=0)
        maps.append(fitted.to(device)[:, segments[i]])
    return Explanation(torch.stack(maps))


def _scores(
    ctx: Context,
    batch: Batch,
    segments: list[Tensor],
    shown: list[Tensor],
    hiding: list[Tensor],
    n_samples: int,
    score: str,
) -> Tensor:
    """Score (B, n_samples, T) of every image with every sample's segments hidden."""
    pairs = list(chunks(len(batch), n_samples, ctx.batch_size, batch.images.device))

    parts = pad_sequence([s.T for s in shown], batch_first=True)  # (B, segments, n_samples)
    owners, hidden = torch.stack(segments).flatten(1), torch.stack(hiding)

    def masked(image: Tensor, sample: Tensor) -> Tensor:
        visible = parts[image, :, sample].gather(1, owners[image]) > 0
        seen = visible.view(-1, 1, *batch.size)
        return torch.where(seen, batch.images[image], hidden[image])

    found = []
    stream = ctx.stream(masked(*pair) for pair in pairs)
    for logits, (image, _) in zip(stream, pairs, strict=True):
        values = logits.softmax(-1) if score == "probability" else logits
        found.append(values.gather(1, batch.targets[image]))
    return torch.cat(found).view(len(batch), n_samples, -1)
