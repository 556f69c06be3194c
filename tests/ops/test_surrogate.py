import numpy as np
import torch
from sklearn.linear_model import Lasso, Ridge
from sklearn.metrics import pairwise_distances

from xaibench.ops.surrogate import fit, mean_colours


def problem(n=60, d=9):
    generator = torch.Generator().manual_seed(0)
    shown = (torch.rand(n, d, generator=generator) < 0.5).float()
    shown[0] = 1
    shown[1] = 0  # its cosine distance is 1 by convention
    scores = shown @ torch.randn(d, 2, generator=generator) * 3
    scores += torch.randn(n, 2, generator=generator)
    segments = torch.arange(d).repeat_interleave(8).view(6, 12)
    energy = torch.rand(6, 12, generator=generator) * 1e5
    return shown, scores, segments, energy


def test_ridge_equals_scikit_learn():
    shown, scores, segments, energy = problem()
    found = fit("ridge", shown, scores, segments, energy).numpy()
    distance = pairwise_distances(shown, shown[:1], metric="cosine").ravel()
    weights = np.sqrt(np.exp(-(distance**2) / 0.25**2))
    for row, y in zip(found, scores.T, strict=True):
        library = Ridge(alpha=1).fit(shown.numpy(), y.numpy(), sample_weight=weights).coef_
        assert np.abs(row - library).max() < 1e-5


def test_lasso_weighs_by_the_distance_of_the_images():
    shown, scores, segments, energy = problem()
    found = fit("lasso", shown, scores, segments, energy).numpy()
    weights = []
    for row in shown:
        hidden = row[segments] == 0
        distance = energy[hidden].double().sum().sqrt()
        weights.append(torch.exp(-(distance**2) / (2 * 1000.0**2)).item())
    x = shown.double().numpy()
    for row, y in zip(found, scores.double().T, strict=True):
        library = Lasso(alpha=0.08).fit(x, y.numpy(), sample_weight=np.array(weights)).coef_
        assert np.abs(row - library).max() < 1e-5
    assert len(set(np.round(weights, 3))) > 10


def test_scores_that_are_not_finite_give_nan_for_their_class_only():
    shown, scores, segments, energy = problem()
    scores[3, 1] = torch.nan
    for kind in ("ridge", "lasso"):
        found = fit(kind, shown, scores, segments, energy)
        assert found[0].isfinite().all()
        assert found[1].isnan().all()


def test_mean_colours():
    image = torch.rand(3, 6, 12, generator=torch.Generator().manual_seed(0))
    segments = problem()[2]
    painted = mean_colours(image, segments)
    for s in range(9):
        inside = segments == s
        expected = image[:, inside].mean(1, keepdim=True)
        assert torch.allclose(painted[:, inside], expected.expand(3, 8), atol=1e-6)
