"""The end of a run: the process's record is closed, and what a person has to know is raised."""

from __future__ import annotations

from xaibench.errors import XaibenchError
from xaibench.execution.plan import Plan
from xaibench.execution.result import RunResult
from xaibench.stages.block import Done
from xaibench.stages.run import Run
from xaibench.stages.share import share
from xaibench.store.ledger import unreadable
from xaibench.store.manifest import Manifest


def finish(work: Run, done: Done, todo: Plan, manifest: Manifest, seconds: float) -> RunResult:
    """Close the process's record; raise what a person has to know."""
    chosen = set(work.ids(share(work)))
    failed = {i: why for i, why in unreadable(work.root).items() if i in chosen}
    computed = {name: done.made[name] for name in ("predictions", "maps", "scores")}
    computed |= {name: done.made[name] for name in ("failed", "left") if done.made[name]}
    stops = todo.stops
    sure = stops.words if stops else ""
    result = RunResult(
        work.root, len(chosen), computed, len(failed), seconds, sure, work.config.shard or ""
    )
    counts = {"images": len(chosen), "unreadable": len(failed), **computed}
    manifest.end(counts=counts, **({"until": stops.record()} if stops else {}))
    if done.unmapped:
        raise XaibenchError(
            f"{done.unmapped.total()} scores need maps that are not there "
            f"({', '.join(done.unmapped)}): run `xaibench explain` or `xaibench run` with the "
            "same options first."
        )
    if done.reasons:
        what, reason = next(iter(done.reasons.items()))
        more = len(done.reasons) - 1
        raise XaibenchError(
            f"{result.line}: {what} failed: {reason.rstrip('.')}"
            + (f", and {more} more: " if more else ": ")
            + f"see {work.root / 'failures'}; the same command tries it again."
        )
    if "left" in computed and work.config.strict:
        raise XaibenchError(f"{result.line}: leave out --strict or --no-retry-failed.")
    if failed and (work.config.strict or len(failed) == len(chosen)):
        first, reason = next(iter(failed.items()))
        raise XaibenchError(
            f"{len(failed)} images cannot be read (of {len(chosen)}), first {first}: {reason}."
        )
    return result
