"""A run on a Ray cluster of this machine, against the same processes without one."""

from __future__ import annotations

from benchmarks import Pairs, row
from benchmarks.setting import Setting


@row(
    "ray-processes",
    "run of Grad-CAM, insertion, deletion on Ray, two actors, after start-up",
    other="--processes 2",
    unit="s",
    at_most=1.1,
    pairs=3,
    named=True,
)
def ray_processes(setting: Setting) -> Pairs:
    """100 photographs less a few, whose run is the start-up. Needs Ray."""
    few, many = (2, 6) if setting.quick else (2, 100)

    def seconds(executor: str, limit: int) -> float:
        setting.emptied(executor)
        asked = {"method": "gradcam", "metric": "insertion,deletion", "processes": 2}
        return setting.run(executor, limit, executor=executor, **asked)

    while True:
        starts = {one: seconds(one, few) for one in ("ray", "local")}
        ours, other = (seconds(one, many) - starts[one] for one in ("ray", "local"))
        yield ours, other
