import pytest
import torch
from torch import nn

from xaibench.models.batchnorm import GroupStatistics, with_group_statistics
from xaibench.models.load import load_model


def test_a_view_shares_the_weights_and_leaves_the_original():
    classifier = load_model("torchvision:resnet18@random")
    before = {k: v.clone() for k, v in classifier.module.state_dict().items()}
    modules = [id(m) for m in classifier.module.modules()]
    view = classifier.view(batchnorm_groups=3)
    ours = dict(classifier.module.named_parameters())
    theirs = dict(view.module.named_parameters())
    assert ours.keys() == theirs.keys()
    assert all(theirs[k].data_ptr() == ours[k].data_ptr() for k in ours)
    with torch.no_grad():
        view(torch.randn(6, 3, 64, 64))
    assert [id(m) for m in classifier.module.modules()] == modules
    assert all(torch.equal(v, before[k]) for k, v in classifier.module.state_dict().items())
    assert not any(isinstance(m, GroupStatistics) for m in classifier.module.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in view.module.modules())
    assert classifier.view() is classifier


def test_groups_equal_train_mode_on_each_group():
    torch.manual_seed(0)
    for make, shape in (
        (nn.BatchNorm2d, (7, 4, 5, 6)),
        (nn.BatchNorm1d, (7, 4)),
        (lambda n: nn.BatchNorm2d(n, affine=False), (7, 4, 5, 6)),
        (lambda n: nn.BatchNorm2d(n, track_running_stats=False), (7, 4, 5, 6)),
    ):
        norm = make(4).double().eval()
        if norm.affine:
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
        x = torch.randn(shape, dtype=torch.float64) * 3 + 1
        found = with_group_statistics(nn.Sequential(norm), 3)(x[:6])
        whole = with_group_statistics(nn.Sequential(norm), 5)(x)
        norm.train()
        assert torch.allclose(found, torch.cat([norm(x[:3]), norm(x[3:6])]))
        assert torch.allclose(whole, torch.cat([norm(x[:5]), norm(x[5:])]))  # a smaller last group


def laid_out(x, layout):
    """The same values with other strides; `channels` has the channels outermost."""
    if layout == "channels":
        return x.transpose(0, 1).contiguous().transpose(0, 1)
    return x.clone(memory_format=getattr(torch, layout))


LAYOUTS = ("contiguous_format", "channels_last", "channels")


@pytest.mark.parametrize("shape", [(1, 8, 5, 5), (2, 8, 5, 5), (4, 1, 5, 5), (6, 8, 1, 5)])
@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("given", LAYOUTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_do_not_depend_on_memory_formats(shape, size, layout, given):
    """An image alone in its batch, channels last, met a contiguous gradient: off by 1.4 of it."""
    generator = torch.Generator().manual_seed(0)
    x, g = (torch.randn(shape, generator=generator) for _ in range(2))
    norm = nn.BatchNorm2d(shape[1])
    leaf = laid_out(x, layout).requires_grad_()
    out = GroupStatistics(norm, size)(leaf)
    (found,) = torch.autograd.grad(out, leaf, laid_out(g, given))
    exact = x.double().requires_grad_()
    norm = norm.double().train()
    parts = [norm(part) for part in exact.split(size)]
    (expected,) = torch.autograd.grad(torch.cat(parts), exact, g.double())
    assert torch.allclose(out.double(), torch.cat(parts), atol=1e-5)
    assert (found - expected).norm() < 1e-5 * (expected.norm() + g.norm())


@pytest.mark.parametrize("count", [1, 3, 4, 5, 16, 17, 21])
@pytest.mark.parametrize("size", [1, 4, 5, 20])
def test_every_pass_has_one_shape_and_whole_groups(count, size):
    """What is left over of the groups is a smaller group; copies fill the pass up, not a group."""
    classifier = load_model("torchvision:resnet18@random")
    view = classifier.view(batchnorm_groups=size)
    seen = []
    view.module.conv1.register_forward_hook(lambda _m, inputs, _o: seen.append(len(inputs[0])))
    images = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(count))
    network = with_group_statistics(classifier.module, size)
    with torch.no_grad():
        found = view(images)
        parts = [network(part) for part in images.split(size)]
    assert min(seen) >= 16
    rest = count % size
    assert set(seen) <= {-(-16 // size) * size, max(0, -(-(16 - rest) // size) * size) + rest}
    assert torch.allclose(found, torch.cat(parts), atol=1e-4)
