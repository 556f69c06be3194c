import pytest
import torch

from xaibench.ops.rows import in_rows, one_thread, recut


@pytest.mark.parametrize("count", [1, 3, 4, 9])
@pytest.mark.parametrize("rows", [1, 4, 6])
def test_every_call_has_so_many_rows_and_every_row_its_value(count, rows):
    seen = []

    def function(part):
        seen.append(len(part))
        return part * 2

    inputs = torch.arange(float(count))
    assert torch.equal(in_rows(function, inputs, rows), inputs * 2)
    assert seen == [rows] * -(-count // rows)


def test_units_stay_together():
    """Sums over pairs: a whole pair fills up the last call."""

    def pair_sums(part):
        return part.view(-1, 2).sum(1).repeat_interleave(2)

    inputs = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert in_rows(pair_sums, inputs, 4, 2).tolist() == [3, 3, 7, 7, 11, 11]


def test_one_thread_inside_and_as_many_as_before_afterwards():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError, match="broke"), one_thread():
            raise RuntimeError("broke")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("sizes", [[5], [1, 1, 3], [4, 1], [2, 2, 1]])
def test_rows_are_cut_anew_in_their_order(sizes):
    chunks = torch.arange(10.0).view(5, 2).split([2, 0, 1, 2])
    parts = list(recut(iter(chunks), sizes))
    assert [len(part) for part in parts] == sizes
    assert torch.equal(torch.cat(parts), torch.arange(10.0).view(5, 2))
