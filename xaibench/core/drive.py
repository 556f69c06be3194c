"""Run any number of metrics at once, their forwards in one stream of full batches."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping

import torch
from torch import Tensor

from xaibench.types import Answer, Forwards, MetricResult, Scoring, Values

Pending = Generator[Forwards, Answer, Values]


def drive(started: Mapping[str, tuple[MetricResult, Scoring]]) -> dict[str, Values]:
    """Results of metrics by name. Each was called with its scoring: a dict, or a generator.

    In every round the requests of all generators are chained into one stream; each is answered
    with its own rows, until all have returned.
    """
    done: dict[str, Values] = {}
    asking: dict[str, tuple[Pending, Forwards, Scoring]] = {}
    for name, (result, scoring) in started.items():
        if isinstance(result, Generator):
            _advance(name, result, None, scoring, asking, done)
        else:
            done[name] = result
    while asking:
        round_, asking = asking, {}
        answers = _answer([(request, scoring) for _, request, scoring in round_.values()])
        for (name, (pending, _, scoring)), answer in zip(round_.items(), answers, strict=True):
            _advance(name, pending, answer, scoring, asking, done)
    return done


def _advance(
    name: str,
    pending: Pending,
    answer: Answer | None,
    scoring: Scoring,
    asking: dict[str, tuple[Pending, Forwards, Scoring]],
    done: dict[str, Values],
) -> None:
    try:
        request = next(pending) if answer is None else pending.send(answer)
    except StopIteration as stop:
        done[name] = stop.value
    else:
        asking[name] = (pending, request, scoring)


def _answer(requests: list[tuple[Forwards, Scoring]]) -> Iterator[Answer]:
    """Forward all requests in full batches and cut the answers apart again."""
    lengths = [0] * len(requests)
    ctx = requests[0][1].ctx

    def chunks() -> Iterator[tuple[Tensor, Tensor]]:
        for i, (request, scoring) in enumerate(requests):
            for inputs, rows in request.chunks:
                lengths[i] += len(rows)
                yield inputs, scoring.target[rows]

    logits, probabilities = [], []
    for scores, classes in ctx.forwarded(chunks()):
        logits.append(scores.float().gather(1, classes[:, None])[:, 0])
        probabilities.append(ctx.probabilities(scores).gather(1, classes[:, None])[:, 0])
    none = torch.empty(0, device=ctx.device)
    all_logits = torch.cat([none, *logits]).split(lengths)
    all_probabilities = torch.cat([none.double(), *probabilities]).split(lengths)
    for logit, probability in zip(all_logits, all_probabilities, strict=True):
        yield Answer(logit, probability)
