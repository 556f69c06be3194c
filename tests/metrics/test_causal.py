import pytest
import torch
from helpers import maps_of, on, score, scoring
from oracles import causal as slow

from xaibench.config import load_protocol
from xaibench.types import Context


@pytest.fixture(scope="module")
def base(context, photographs, device):
    batch = on(photographs, device)
    return scoring(context, batch, maps_of(context, batch, "gradcam"))


def check(base, classifier, protocol, places, ties="row_major"):
    values = load_protocol(protocol).metrics["causal"]
    rows, kernel = values["rows_per_step"], values["kernel"]
    options = "" if ties == "row_major" else f"(ties={ties})"
    fast = {k: score(base, k + options, protocol) for k in ("insertion", "deletion")}
    for i in places:
        image, saliency = base.batch.images[i], base.maps[i].cpu().numpy()
        target = int(base.target[i])
        args = (classifier.module, image, saliency, target, rows)
        insertion = slow.insertion(*args, kernel, ties=ties, batch=16)
        deletion = slow.deletion(*args, ties=ties, batch=16)
        assert abs(float(fast["insertion"][i]) - insertion) < 1e-4
        assert abs(float(fast["deletion"][i]) - deletion) < 1e-4


def test_published_equals_the_slow_loop_on_every_photograph(base, classifier):
    check(base, classifier, "published", range(20))


def test_other_tie_order_equals_the_slow_loop(base, classifier):
    check(base, classifier, "published", [0, 13], "reverse")


@pytest.mark.slow
def test_reference_equals_the_slow_loop(base, classifier):
    check(base, classifier, "reference", [0, 7, 13])


@pytest.mark.parametrize("size", [1, 7, 32])
def test_batch_size_changes_only_near_ties(base, classifier, device, size):
    few = type(base)(**{**vars(base), "batch": base.batch.rows(0, 5), "maps": base.maps[:5]})
    few = type(base)(
        **{**vars(few), **{k: getattr(base, k)[:5] for k in ("target", "logit", "probability")}}
    )
    other = type(base)(**{**vars(few), "ctx": Context(classifier, device, 0, size)})
    for key in ("insertion", "deletion"):
        assert (score(few, key) - score(other, key)).abs().max() < 2e-3


def test_random_ties_depend_on_the_seed_and_the_image_alone(base):
    both = [score(base, "deletion(ties=random)") for _ in range(2)]
    assert torch.equal(*both)
    other = score(base, "deletion(ties=random,tie_seed=1)")
    assert not torch.equal(both[0], other)


def test_tie_order_alone_moves_insertion(base):
    """Over half of a Grad-CAM map can be 0, and the order of equal pixels is a choice."""
    row_major = score(base, "insertion")
    reverse = score(base, "insertion(ties=reverse)")
    zeros = (base.maps == 0).flatten(1).double().mean(1)
    assert zeros.max() > 0.5
    assert (row_major - reverse).abs().max() > 0.02
