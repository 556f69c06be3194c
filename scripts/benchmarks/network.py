"""The network's own passes: gradients, bfloat16 and compiled code."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from benchmarks import Pairs, row
from benchmarks.explain import explained
from benchmarks.score import RAW
from benchmarks.setting import READY, Setting
from xaibench.methods.ig import ig
from xaibench.models.classifier import TorchClassifier
from xaibench.types import Batch, Context

STEPS = 16
"""Interpolants an image: the protocols' 100 take minutes a pair, and no more is learnt."""
IG = f"ig(steps={STEPS},batchnorm=eval,explained_class=given,baseline=black)"
GRADIENT = "gradient(batchnorm=eval,explained_class=given)"
GRADIENTS = "its own network's bare forward and backward passes"


@row("explain-gradient", "explain of the gradient", other=GRADIENTS, at_least=0.85)
def gradient(setting: Setting) -> Pairs:
    """One forward and one backward pass an image."""
    return explained(setting, GRADIENT, {"gradient": 1})


@row("explain-ig", f"explain of IG, {STEPS} steps", other=GRADIENTS, at_least=0.85, pairs=3)
def integrated(setting: Setting) -> Pairs:
    """A forward and a backward pass a step."""
    return explained(setting, IG, {"gradient": STEPS})


def against_captum(setting: Setting, network: torch.nn.Module) -> Pairs:
    """Images a second of IG for three classes, by this tool and by captum in batches as large."""
    from captum.attr import IntegratedGradients

    count = 2 if setting.quick else 8
    images, labels = setting.inputs(count)
    images, labels = images.to(setting.device), labels.to(setting.device)
    classes = torch.stack([labels, (labels + 1) % 1000, (labels + 2) % 1000], 1)
    names = "ground_truth", "predicted", "least_probable"
    batch = Batch(tuple(map(str, range(count))), images, labels, classes, names)
    classifier = setting.classifier
    ctx = Context(classifier, setting.device, 0, classifier.rows)
    captum = IntegratedGradients(network)

    def peer() -> None:
        for t in range(3):
            captum.attribute(
                images,
                baselines=classifier.from_pixels(torch.zeros_like(images)),
                target=classes[:, t],
                n_steps=STEPS,
                internal_batch_size=classifier.rows,
            )

    ours = partial(ig, ctx, batch, None, steps=STEPS)
    peer()
    ours()
    while True:
        seconds = setting.seconds(ours)
        yield count / seconds, count / setting.seconds(peer)


@row("peer-ig-3", "IG for three classes", other="captum, as people load it", at_least=1.6, pairs=3)
def captum_plain(setting: Setting) -> Pairs:
    """The same steps and batch size."""
    return against_captum(setting, setting.plain)


@row("peer-ig-3-own", "IG for three classes", other="captum on the tool's network", pairs=3)
def captum_own(setting: Setting) -> Pairs:
    """Channels last, padding in the convolutions."""
    return against_captum(setting, setting.classifier.module)


def against_float32(setting: Setting, other: TorchClassifier) -> Pairs:
    """Full forward passes a second of two ways to compute the same network."""

    def passes(network: torch.nn.Module) -> None:
        with torch.inference_mode():
            for part in setting.ready:
                network(part)

    images = READY * setting.classifier.rows
    for network in (setting.classifier.inference, other.inference) * 2:
        passes(network)
    while True:
        one, two = (
            images / setting.seconds(partial(passes, c.inference))
            for c in (other, setting.classifier)
        )
        yield one, two


@row("forward-bfloat16", "forward passes in bfloat16", other="in float32")
def bfloat16(setting: Setting) -> Pairs:
    """Where the processor has none, values are rounded to it."""
    return against_float32(setting, replace(setting.classifier, dtype="bfloat16"))


@row("forward-compiled", "forward passes by compiled code", other="by the network itself")
def compiled(setting: Setting) -> Pairs:
    """The time it takes to compile is left out."""
    return against_float32(setting, replace(setting.classifier, compiled=True))


@row("score-bfloat16", "score of insertion and deletion, bfloat16", other=RAW, at_least=0.9)
def score_bfloat16(setting: Setting) -> Pairs:
    """Against bare passes in bfloat16."""
    network = replace(setting.classifier, dtype="bfloat16").inference
    out, metric = "score-bfloat16", "insertion,deletion"
    few, many, needs = setting.few, setting.many, 55
    made = {"method": "gradcam", "metric": metric, "dtype": "bfloat16"}
    setting.run(out, many, "explain", **made)

    def run(limit: int) -> float:
        setting.emptied(out, "scores")
        return setting.run(out, limit, "score", **made)

    def bare(images: float) -> float:
        batches = max(1, round(images * needs / setting.classifier.rows))

        def loop() -> None:
            with torch.inference_mode():
                for i in range(batches):
                    part: Tensor = setting.ready[i % READY]
                    network(part)

        return setting.seconds(loop) * images * needs / (batches * setting.classifier.rows)

    bare(few)
    run(few)
    while True:
        raw = bare((many - few) / 2)
        seconds = run(many) - run(few)
        raw += bare((many - few) / 2)
        yield (many - few) / seconds, (many - few) / raw
