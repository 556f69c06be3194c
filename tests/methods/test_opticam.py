import copy
from dataclasses import replace

import torch
import torch.nn.functional as F
from helpers import explain, on


def slow(network, layer, image, target, steps, lr):
    """One image: Adam on the channel weights, autograd through a hooked forward for A."""
    held = []
    handle = layer.register_forward_hook(lambda _m, _i, out: held.append(out.detach()))
    with torch.no_grad():
        network(image)
    handle.remove()
    features = held[0][0]
    u = torch.ones_like(features[:, 0, 0]).requires_grad_()
    optimizer = torch.optim.Adam([u], lr=lr)
    for _ in range(steps):
        combined = sum(w * a for w, a in zip(torch.softmax(u, 0), features, strict=True))
        large = F.interpolate(combined[None, None], image.shape[-2:], mode="bilinear")
        mask = (large - large.min()) / (large.max() - large.min())
        optimizer.zero_grad()
        (-network(image * mask)[0, target]).backward()
        optimizer.step()
    return (torch.softmax(u, 0)[:, None, None] * features).sum(0).detach()


def test_equals_a_slow_loop(context, classifier, photographs, device):
    """In float64: Adam divides small gradients by themselves, in float32 rounding gives 0.3%."""
    double = replace(classifier, module=copy.deepcopy(classifier.module).double(), rows=1)
    batch = on(photographs.rows(0, 2), device)
    batch = replace(batch, images=batch.images.double())
    ours = explain(replace(context, classifier=double), batch, "opticam(steps=3)").maps
    for i in range(2):
        image, target = batch.images[i : i + 1], int(batch.targets[i, 0])
        expected = slow(double.module, double.layer("cam"), image, target, 3, 0.1)
        assert (ours[i, 0] - expected).abs().max() < 1e-6 * expected.abs().max()


def test_the_masked_image_keeps_more_of_its_logit(context, classifier, photographs, device):
    """What is optimised gets better: more steps, a higher logit of the masked image."""
    batch = on(photographs.rows(0, 1), device)

    def logit(spec):
        map_ = F.interpolate(explain(context, batch, spec).maps, batch.size, mode="bilinear")
        mask = (map_ - map_.amin()) / (map_.amax() - map_.amin())
        with torch.no_grad():
            return float(classifier(batch.images * mask)[0, batch.targets[0, 0]])

    assert logit("opticam(steps=15)") > logit("opticam(steps=1)")
