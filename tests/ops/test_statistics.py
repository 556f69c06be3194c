import numpy as np
import torch
from scipy import stats

from xaibench.ops.statistics import entropy, gini, spearman


def test_spearman_equals_scipy_with_ties():
    drawn = torch.Generator().manual_seed(0)
    a = torch.randint(0, 5, (20, 9), generator=drawn).double()
    b = torch.randint(0, 5, (20, 9), generator=drawn).double()
    expected = [stats.spearmanr(x, y)[0] for x, y in zip(a, b, strict=True)]
    assert np.allclose(spearman(a, b), expected, atol=1e-12)


def test_spearman_of_a_constant_or_nan_row_is_nan():
    a = torch.tensor([[1.0, 1, 1], [1, 2, float("nan")], [1, 2, 3]])
    b = torch.tensor([[1.0, 2, 3]] * 3)
    assert spearman(a, b).isnan().tolist() == [True, True, False]


def test_gini_of_equal_and_single_values():
    assert abs(float(gini(torch.ones(1, 100)))) < 1e-12
    one = torch.zeros(1, 100)
    one[0, 7] = 1
    assert abs(float(gini(one, 0.0)) - 0.99) < 1e-12


def test_entropy_equals_scipy():
    values = torch.rand(3, 50, generator=torch.Generator().manual_seed(0))
    assert np.allclose(entropy(values), stats.entropy(values.double().numpy(), axis=1))
