"""May this method be believed? Scores and maps against controls, as a judgement with its rules.

Which rule decides what stands in `beside`, `sanity` and `robust`; docs/statistics.md holds how
often each is wrong where there is nothing to be found.
"""

from __future__ import annotations

from dataclasses import replace

from xaibench.analysis.check.beside import (
    besides,
    cells_of,
    columns_of,
    differing,
    needed,
    one_target,
    p_values,
    pairs_of,
)
from xaibench.analysis.check.evidence import BETTER, Evidence, Judgement, Spent
from xaibench.analysis.check.robust import turned
from xaibench.analysis.check.sanity import sanity
from xaibench.analysis.check.words import sentences
from xaibench.analysis.stats import SEED


def judge(evidence: Evidence, seed: int = SEED) -> Judgement:
    """What follows from the evidence; the same seed gives the same numbers.

    Raises XaibenchError where the scores hold no untouched image or one twice.
    """
    method, catalog = evidence.method, evidence.catalog
    rows, target = one_target(evidence.scores)
    cells = cells_of(rows)
    columns = columns_of({k: v for k, v in cells.items() if k[0] == method}, catalog)
    controls, others = evidence.controls, (*evidence.controls, *evidence.standards)
    pairs = pairs_of(cells, method, others, columns, catalog)
    p = p_values(pairs, seed)
    compared = besides(pairs, p, columns, controls, seed)
    counted = len(differing(pairs))
    least = needed(counted)
    directed = [metric for metric, column in columns.items() if column.higher_is_better is not None]
    if catalog.method(method).chance:
        useless = directed
    else:
        chance = [b for b in compared if b.apart >= least and catalog.method(b.other).chance]
        useless = [b.metric for b in chance if b.verdict != BETTER]
    listed = tuple(dict.fromkeys((method, *others)))
    judgement = Judgement(
        method=method,
        catalog=catalog,
        images=max((len(v) for (who, _), v in cells.items() if who == method), default=0),
        target=target,
        besides=compared,
        counted=counted,
        needed=least,
        undirected=tuple(metric for metric in columns if metric not in directed),
        useless=tuple(dict.fromkeys(useless)),
        settled=tuple(
            (metric, other)
            for metric in directed
            for other in others
            if other != method and catalog.settled(metric, method, other)
        ),
        sane=sanity(evidence.sanity, listed, seed),
        turned=turned(evidence, cells, pairs, p, columns, seed),
        spent=tuple(
            Spent(
                who,
                evidence.seconds.get(who),
                evidence.tied.get(who),
                evidence.constant.get(who),
                evidence.nonfinite.get(who),
            )
            for who in listed
        ),
        untested=evidence.untested,
        sentences=(),
    )
    return replace(judgement, sentences=sentences(judgement))
