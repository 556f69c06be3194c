import torch
from helpers import explain, maps_of, on

from xaibench.normalize import statuses


def test_ones_but_the_first_pixel_on_every_photograph(context, three_targets, device):
    batch = on(three_targets, device)
    expected = torch.ones(20, 3, *batch.size, device=device)
    expected[:, :, 0, 0] = 0
    assert torch.equal(explain(context, batch, "fakecam").maps, expected)
    for protocol in ("published", "reference"):
        normalised = maps_of(context, batch, "fakecam", protocol)
        assert torch.equal(normalised, expected[:, 0])
        assert set(statuses(normalised)) == {"ok"}
