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
