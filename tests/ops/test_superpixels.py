import numpy as np
from oracles.lime import quickshift_segments

from xaibench.ops.superpixels import segment, submit

OPTIONS = {"kernel_size": 4, "max_dist": 200, "ratio": 0.2}


def test_equals_quickshift_on_photographs(photographs):
    for i in range(2):
        image = photographs.images[i].permute(1, 2, 0).numpy()
        found = segment(image, **OPTIONS)
        assert found.dtype == np.int64
        assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
        assert np.array_equal(found, quickshift_segments(photographs.images[i : i + 1]))


def test_worker_processes_cut_the_same_segments(photographs):
    image = photographs.images[0, :, ::2, ::2].permute(1, 2, 0).numpy()
    here = submit(image, 0, **OPTIONS).result()
    assert np.array_equal(submit(image, 1, **OPTIONS).result(), here)


def test_a_plain_image_is_one_piece_or_more():
    found = segment(np.zeros((16, 16, 3)), **OPTIONS)
    assert found.shape == (16, 16)
    assert found.min() == 0
