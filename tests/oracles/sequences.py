"""Hedged capital of bounded values without replacement, a value and a tested mean at a time.

From the formulas of Waudby-Smith & Ramdas 2024 (JRSS B 86, sections 4.2 and 5.2): the capital of a
side is the product of 1 + bet * (value - what is left is expected to be); a mean is left out when
half of either side has reached 1 / alpha.
"""

from __future__ import annotations

import math


def capital(
    values: list[float | None], units: int, mean: float, aim: float, most: float = 0.5
) -> list[float]:
    """The capital after each value of betting that the mean of all `units` is above `mean`.

    None stands for a value that is not usable: the tested mean itself takes its place.
    """
    money, seen, made = 1.0, [], []
    sofar = 0.0
    for position, value in enumerate(values):
        left = units - position
        expected = (units * mean - sofar) / left
        means = [(0.5 + sum(seen[: i + 1])) / (i + 2) for i in range(len(seen))]
        squares = sum((x - m) ** 2 for x, m in zip(seen, means, strict=True))
        variance = (0.25 + squares) / (len(seen) + 1)
        ahead = aim * units / left
        bet = ahead / (variance + ahead * ahead)
        x = mean if value is None else value
        if expected < -1e-9:
            money = math.inf  # the mean of all cannot be so low
        elif expected > 0:
            money *= 1 + min(bet, most / expected) * (x - expected)
        else:
            money *= 1 + bet * x
        made.append(money)
        sofar += x
        if value is not None:
            seen.append(value)
    return made


def interval(
    values: list[float | None], units: int, aim: float, points: int = 200, alpha: float = 0.05
) -> tuple[float, float]:
    """The smallest and largest of a grid's means that were never left out, nor are impossible."""
    mirrored = [None if value is None else 1 - value for value in values]
    kept = []
    for step in range(points + 1):
        mean = step / points
        low = max(capital(values, units, mean, aim))
        high = max(capital(mirrored, units, 1 - mean, aim))
        total = sum(mean if value is None else value for value in values)
        possible = total - 1e-9 <= units * mean <= total + units - len(values) + 1e-9
        if max(low, high) / 2 < 1 / alpha and possible:
            kept.append(mean)
    return kept[0], kept[-1]


def sure(values: list[float | None], units: int, aim: float, alpha: float = 0.05) -> bool:
    """Whether all means that are farther than `aim` from the mean so far have been left out."""
    for mirrored in (False, True):
        side = [None if v is None else 1 - v if mirrored else v for v in values]
        used = [value for value in side if value is not None]
        if not used:
            return False
        mean = sum(used) / len(used) - aim
        total = sum(mean if value is None else value for value in side)
        if mean > 0 and units * mean >= total and max(capital(side, units, mean, aim)) < 2 / alpha:
            return False
    return True
