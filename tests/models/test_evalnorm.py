import pytest
import torch
import torch.nn.functional as F
from networks import pictures, tiny
from torch import nn

from xaibench.models.evalnorm import quick_norms
from xaibench.models.load import load_model


def drawn(norm):
    draw = torch.Generator().manual_seed(0)
    for name, value in norm.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=draw) * 2 - float(name == "weight"))
    return norm.eval().requires_grad_(False)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_has_torchs_bits(device, affine, layout):
    norm = drawn(nn.BatchNorm2d(24, affine=affine)).to(device)
    draw = torch.Generator().manual_seed(1)
    x, g = (torch.randn(16, 24, 9, 9, generator=draw).to(device) for _ in range(2))
    x, g = (t.contiguous(memory_format=layout) for t in (x, g))
    plain, quick = (x.clone().requires_grad_() for _ in range(2))
    expected = norm(plain)
    with quick_norms(device):
        found = norm(quick)
    assert (type(found.grad_fn).__name__ == "_EvaluatedBackward") == (device.type == "cpu")
    assert torch.equal(found, expected)
    (of_plain,), (of_quick,) = (
        torch.autograd.grad(out, x, g) for out, x in ((expected, plain), (found, quick))
    )
    assert torch.equal(of_plain, of_quick)


def test_a_networks_gradients_have_the_same_bits(photographs):
    classifier = load_model("efficientnet_lite0").to(torch.device("cpu"))
    images = F.interpolate(photographs.images[:16], (96, 96))
    plain, quick = (images.clone().requires_grad_() for _ in range(2))
    (expected,) = torch.autograd.grad(classifier.module(plain)[:, 5].sum(), plain)
    (found,) = torch.autograd.grad(classifier(quick)[:, 5].sum(), quick)
    assert torch.equal(found, expected)


def test_training_learning_and_passes_without_gradients_are_torchs_own():
    norm, x = nn.BatchNorm2d(3), torch.randn(4, 3, 5, 5, requires_grad=True)
    with quick_norms(x.device):
        names = [type(norm(x).grad_fn).__name__, type(norm.eval()(x).grad_fn).__name__]
        alone = norm.requires_grad_(False)(x.detach())
    assert not [name for name in names if "Evaluated" in name]
    assert alone.grad_fn is None
    with torch.no_grad(), quick_norms(x.device):
        assert torch._C._len_torch_function_stack() == 0


def test_a_network_is_left_without_a_mode_after_an_error():
    classifier = tiny()
    classifier.module.fuse.lit = True
    with pytest.raises(RuntimeError, match="broke"):
        classifier(pictures(tiny(), 1).images.requires_grad_())
    assert torch._C._len_torch_function_stack() == 0
