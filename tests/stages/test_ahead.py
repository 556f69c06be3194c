"""Images are read before they are asked for, once, and nothing else changes."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
import torch
from networks import tiny

from xaibench.config.run import load_config
from xaibench.datasets.load import Decoded, read_images
from xaibench.errors import XaibenchError
from xaibench.meter import recording
from xaibench.stages.ahead import Ahead, read
from xaibench.stages.run import resolve

RUN = object()


class Reader:
    """Remembers what it was asked for, and whether in the main thread."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked = error, []

    def __call__(self, run, places) -> Decoded:
        self.asked.append((tuple(places), threading.current_thread() is threading.main_thread()))
        if self.error:
            raise self.error
        return Decoded(list(places), torch.zeros(len(places), 3, 1, 1), [], {})


def test_what_waits_is_8_bit_and_what_is_taken_is_the_networks_input(tmp_path):
    network = tiny(classes=1000)
    run = resolve(load_config({"limit": 3, "workers": 0, "out": tmp_path}), network=network)
    waiting = read(run, range(3)).images
    assert waiting.dtype == torch.uint8
    expected = read_images(run.dataset, range(3), network, "squash", 0).images
    assert torch.equal(run.decode(range(3)).images, expected)
    assert expected.nbytes == 4 * waiting.nbytes


def test_what_was_begun_is_taken_once():
    reader = Reader()
    ahead = Ahead(reader)
    ahead.begin(RUN, (3, 1))
    assert ahead.take(RUN, [3, 1]).places == [3, 1]
    assert ahead.take(RUN, [3, 1]).places == [3, 1]
    assert reader.asked == [((3, 1), False), ((3, 1), True)]


def test_the_block_at_hand_may_read_its_own_meanwhile():
    reader = Reader()
    ahead = Ahead(reader)
    ahead.begin(RUN, (8, 9))
    assert ahead.take(RUN, [1]).places == [1]
    ahead.begin(RUN, (10, 11))  # the last begun are not taken yet
    assert len(reader.asked) == 2
    assert ahead.take(RUN, [8, 9]).places == [8, 9]
    assert ahead.take(RUN, [10, 11]).places == [10, 11]
    assert reader.asked == [((8, 9), False), ((1,), True), ((10, 11), False)]


def test_what_another_process_takes_keeps_nothing_from_being_begun():
    reader = Reader()
    ahead = Ahead(reader)
    ahead.begin(RUN, (8, 9))
    ahead.keep((10, 11))
    ahead.begin(RUN, (10, 11))
    ahead.keep((10, 11))
    assert ahead.take(RUN, [10, 11]).places == [10, 11]
    assert ((10, 11), False) in reader.asked


def test_part_of_what_was_begun_is_read_anew():
    ahead = Ahead(Reader())
    ahead.begin(RUN, (8, 9))
    assert ahead.take(RUN, [9]).places == [9]


def test_an_error_is_raised_to_who_asks():
    ahead = Ahead(Reader(XaibenchError("no room")))
    ahead.begin(RUN, (1,))
    with pytest.raises(XaibenchError, match="no room"):
        ahead.take(RUN, (1,))


def test_to_wait_for_what_was_begun_is_to_decode():
    seen = []

    @contextmanager
    def recorder(name):
        seen.append((name, threading.current_thread() is threading.main_thread()))
        yield

    ahead = Ahead(Reader())
    ahead.begin(RUN, (1,))
    with recording(recorder):
        ahead.take(RUN, (1,))
    assert seen == [("decode", True)]


def test_every_block_is_read_ahead_in_the_order_in_which_a_run_asks():
    """The next block is begun before the one at hand is taken."""
    reader = Reader()
    ahead = Ahead(reader)
    blocks = [(0, 1), (2, 3), (4, 5), (6, 7)]
    for block, following in zip(blocks, [*blocks[1:], ()], strict=True):
        ahead.begin(RUN, following)
        assert ahead.take(RUN, block).places == list(block)
    assert sorted(reader.asked) == [(blocks[0], True), *((block, False) for block in blocks[1:])]
