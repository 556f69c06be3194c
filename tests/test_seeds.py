"""Draws depend on seed, image and purpose, and on nothing else."""

from __future__ import annotations

import hashlib
import itertools

import torch

from xaibench.seeds import derive, generator

ONE = (0, "n01440764/a.jpg", "rise")


def draw(*key: object) -> list[float]:
    return torch.rand(4, generator=generator(*key)).tolist()


def test_known_values() -> None:
    assert derive(*ONE) == 5653885859167910117
    assert derive(7, "", "masks") == 6354752841667780860


def test_the_recipe() -> None:
    digest = hashlib.sha256(b"0\x1fn01440764/a.jpg\x1frise").hexdigest()
    assert derive(*ONE) == int(digest[:16], 16) >> 1


def test_each_part_matters() -> None:
    keys = list(itertools.product((0, 1, 2), ("a.jpg", "b.jpg", ""), ("rise", "lime", "")))
    assert len({derive(*key) for key in keys}) == len(keys)
    assert len({tuple(draw(*key)) for key in keys}) == len(keys)


def test_parts_do_not_run_together() -> None:
    assert derive(1, "2", "3") != derive(12, "", "3")
    assert derive(0, "ab", "c") != derive(0, "a", "bc")


def test_the_same_key_draws_the_same_whatever_came_before() -> None:
    first = draw(*ONE)
    torch.manual_seed(5)
    torch.rand(3)
    draw(1, "other", "purpose")
    assert draw(*ONE) == first


def test_drawing_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    draw(*ONE)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeds_fit_a_generator() -> None:
    for image in range(200):
        assert 0 <= derive(2**40, str(image), "x") < 2**63
    assert generator(2**40, "a", "b").device.type == "cpu"
