"""What a run did, in numbers and in the last line of its output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunResult:
    """What a run did. computed counts images x methods x targets (x metrics) by stage.

    sure: with --until, which means are, in words. shard: with --shard, which of how many. place:
    the directory, or the URL that it is a copy of.
    """

    directory: Path
    images: int
    computed: dict[str, int]
    unreadable: int
    seconds: float
    sure: str = ""
    shard: str = ""
    place: str = ""

    @property
    def line(self) -> str:
        """The last line of the command's output."""
        made = {name: count for name, count in self.computed.items() if count}
        lost = f"; {made.pop('failed')} failed" if "failed" in made else ""
        if "left" in made:
            lost += f"; {made.pop('left')} that failed before left alone (--no-retry-failed)"
        done = ", ".join(f"{count} {name}" for name, count in made.items())
        nothing = "computed nothing" if lost else "nothing left to compute"
        skipped = f"; {self.unreadable} unreadable images skipped (failures/)"
        return (
            f"{self.place or self.directory}: "
            f"{f'shard {self.shard}, ' * bool(self.shard)}{self.images} images, "
            f"{'computed ' + done if done else nothing} "
            f"in {self.seconds:.1f} s{lost}{skipped if self.unreadable else ''}"
            f"{'; ' * bool(self.sure)}{self.sure}"
        )
