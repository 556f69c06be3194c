"""The hands of a run as actors of a Ray cluster, one a GPU or a few cores.

An actor holds the network, takes one job at a time and writes the job's files itself. What goes
between it and this process are jobs (places of images, names of methods) and steps; no image, map
or score.
"""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from xaibench.datasets.pixels import forget
from xaibench.errors import XaibenchError
from xaibench.execution.actor import Actor, Place, environment, place
from xaibench.execution.cluster import connected, imported
from xaibench.execution.crews import carry_out, stopping
from xaibench.execution.driver import LOSSES, Event, Job, Lost, Raised, Said
from xaibench.execution.places import pieces
from xaibench.execution.plan import Plan
from xaibench.execution.portable import dump
from xaibench.stages.block import Done, Task, opened
from xaibench.stages.run import Run
from xaibench.stages.steps import Tick

Say = Callable[[str], None]

TALK = "talk"
"""The threads of an actor that answer while it works."""
APART, TOLD = 0.2, 1.0
"""Seconds between two answers of an actor at least, and that it then waits for more to tell."""
HEARD = 100.0
"""Answers of all actors that are heard in a second."""
STOPPED = 60.0
"""Seconds that actors have to write what is finished before they are ended."""
REACHED = 20.0
"""Seconds in which an actor that does not answer may turn out to be dead."""
PATIENT = 60.0
"""Seconds without any actor after which that is said."""


@dataclass(eq=False)
class _Held:
    """An actor and what is asked of it. hand: whose job it does. tries: starts without an end."""

    handle: Any
    name: str
    opening: Any
    tries: int = 0
    opened: Place | None = None
    hand: int | None = None
    last: int = -1
    doing: Any = None
    telling: Any = None
    finished: list[Event] = field(default_factory=list)

    @property
    def words(self) -> str:
        """The actor in words."""
        where = f" (process {self.opened.process} on {self.opened.host})" if self.opened else ""
        return f"actor {self.name}{where}"


class OnRay(Actor):
    """An actor that Ray calls."""

    def open_here(self) -> Place | Raised:
        """Take up the run, and say on which of the cluster's machines."""
        import ray

        return self.open(ray.get_runtime_context().get_node_id())


class Actors:
    """A crew (`xaibench.execution.driver`) of actors.

    A job that is given waits for any actor that is free: so one that the cluster has no room for,
    or that comes late, keeps no job from being done.
    """

    def __init__(self, ray: Any, task: Task, room: Room) -> None:
        self.ray, self.room, self.hands = ray, room, room.hands
        run = opened(task)
        self._home = ray.put(place(run))
        own = {"device": run.device.type, "workers": room.workers}
        self._task = ray.put(replace(task, config=task.config.model_copy(update=own)))
        self._class = ray.remote(concurrency_groups={TALK: 2})(OnRay)
        self._queue: deque[tuple[int, Job, Job | None]] = deque()
        self._actors = [self._start(str(number + 1)) for number in range(room.hands)]
        self._waited = 0.0

    def _start(self, name: str, tries: int = 0) -> _Held:
        """Have an actor started, as soon as the cluster has room for one."""
        made = self._class.options(
            num_cpus=self.room.cores,
            num_gpus=self.room.gpus,
            max_restarts=0,
            max_task_retries=0,
            runtime_env={"env_vars": environment(self.room.cores)},
        )
        handle = made.remote(self._task, self._home)
        return _Held(handle, name, handle.open_here.remote(), tries)

    def give(self, hand: int, job: Job, following: Job | None) -> None:
        """Have the first actor that is free do a job."""
        self._queue.append((hand, job, following))
        self._feed()

    def _feed(self) -> None:
        while self._queue and (free := [a for a in self._actors if a.opened and a.hand is None]):
            hand, job, following = self._queue.popleft()
            one = next((a for a in free if a.last == hand), free[0])  # it may have read the images
            one.hand = one.last = hand
            one.doing = one.handle.do.remote(hand, dump((job, following)))
            one.telling = self._ask(one)

    def _ask(self, one: _Held) -> Any:
        """Have an actor tell: the more there are, the more seldom, as one process listens."""
        apart = max(APART, self.hands / HEARD)
        return one.handle.told.options(concurrency_group=TALK).remote(apart, TOLD)

    def events(self, timeout: float) -> Iterable[Event]:
        """What actors tell and have done, and which were lost."""
        asked = [
            (ref, one, kind)
            for one in self._actors
            for kind in ("opening", "telling", "doing")
            if (ref := getattr(one, kind)) is not None
        ]
        found = list[Event]()
        refs = [ref for ref, _, _ in asked]
        if self.ray.wait(refs, num_returns=1, timeout=timeout)[0]:
            self._waited = 0.0
            ready = set(self.ray.wait(refs, num_returns=len(refs), timeout=0)[0])
            for ref, one, kind in asked:
                if ref in ready and one in self._actors:
                    found += self._come(one, kind, ref)
        else:
            self._waited += timeout
            if self._waited >= PATIENT and not any(one.opened for one in self._actors):
                found.append(self._wait_is_said())
        self._feed()
        return found

    def _wait_is_said(self) -> Said:
        words = f"{self.room.cores} cores" + f" and {self.room.gpus} GPU" * bool(self.room.gpus)
        return Said(-1, f"Ray has started no actor of {words} yet: `ray status` says why; waiting")

    def _come(self, one: _Held, kind: str, ref: Any) -> Iterator[Event]:
        """What an answer means."""
        errors = self.ray.exceptions
        try:
            answer = self.ray.get(ref)
        except errors.RayTaskError as error:  # of the actor's own code
            yield Raised(-1, error.cause if isinstance(error.cause, Exception) else error)
            return
        except errors.RayError as error:
            yield from self._gone(one, error)
            return
        setattr(one, kind, None)
        if kind == "opening":
            yield from self._came(one, answer)
            return
        if kind == "doing":
            one.finished = answer
        else:
            yield from answer
            if one.doing is not None:
                one.telling = self._ask(one)
        if one.doing is None and one.telling is None:  # all that it told before has come
            ended, one.finished, one.hand = one.finished, [], None
            yield from ended

    def _came(self, one: _Held, answer: Place | Raised) -> Iterator[Event]:
        """An actor is there, or what keeps it off ends the run."""
        if isinstance(answer, Raised):
            yield answer
            return
        one.opened, one.tries = answer, 0
        if answer.warning:
            yield Said(-1, answer.warning)

    def _gone(self, one: _Held, error: Exception) -> Iterator[Event]:
        """Have another started in the place of one that was lost."""
        node = one.opened.node if one.opened else ""
        preempted = machine_lost(self.ray, self._asked_again(one, error), node)
        self.ray.kill(one.handle)  # one that cannot be reached may be at work
        place = self._actors.index(one)
        if one.opened and one.opened.host == platform.node():
            forget(one.opened.process)
        died = f"{one.words} died, perhaps for want of memory"
        why = f"the machine of {one.words} was lost" if preempted else died
        tries = one.tries + (one.opened is None and not preempted)
        if tries < LOSSES:
            self._actors[place] = self._start(one.name, tries)
        else:
            del self._actors[place]
        if not self._actors:
            raise XaibenchError(
                f"no actor can be started: {_line(error)}; see Ray's logs, or use --executor local."
            )
        if one.hand is not None or one.opened is not None:
            yield Lost(-1 if one.hand is None else one.hand, why, preempted)

    def _asked_again(self, one: _Held, error: Exception) -> Exception:
        """What becomes of an actor that does not answer: the last that is known of it."""
        if isinstance(error, self.ray.exceptions.ActorUnavailableError):
            try:
                self.ray.get(self._ask(one), timeout=REACHED)
            except self.ray.exceptions.RayActorError as latest:
                return latest
            except self.ray.exceptions.RayError:
                return error
        return error

    def close(self) -> None:
        """Stop the actors' jobs, wait until what is finished is written, end the actors."""
        at_work = [one for one in self._actors if one.doing is not None]
        for one in at_work:
            one.handle.stop.options(concurrency_group=TALK).remote()
        try:
            if at_work:
                refs = [one.doing for one in at_work]
                self.ray.wait(refs, num_returns=len(refs), timeout=STOPPED)
        finally:
            for one in self._actors:
                self.ray.kill(one.handle)


def machine_lost(ray: Any, error: Exception, node: str) -> bool:
    """Whether an actor's machine is gone or cannot be reached, and not its process alone."""
    gone = ray.exceptions.NodeDiedError, ray.exceptions.ActorUnavailableError
    if isinstance(error, gone) or getattr(error, "preempted", False):
        return True
    there = {one["NodeID"] for one in ray.nodes() if one["Alive"]}
    return bool(node) and node not in there


def _line(error: Exception) -> str:
    """The last line of an error of Ray's, which are many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


@dataclass(frozen=True)
class Room:
    """How many actors a run gets, and each of them; workers: processes that decode for it."""

    hands: int
    cores: int
    gpus: int
    workers: int


def room(run: Run, plan: Plan, there: Mapping[str, float]) -> Room:
    """What a run gets of a cluster that has so much: all, unless less is asked for or of use."""
    config, cores, gpus = run.config, int(there.get("CPU", 0)), int(there.get("GPU", 0))
    on_gpus = run.device.type == "cuda"
    if on_gpus:
        hands = gpus if config.devices in (None, "all") else int(config.devices)
    else:
        asked = _processes(run)
        hands = cores if asked == "auto" else int(asked)
    hands = max(1, min(hands, pieces(plan)))
    share = max(1, cores // hands)
    if on_gpus:  # what decodes needs cores, too
        return Room(hands, min(1 + config.workers, share), 1, min(config.workers, share))
    workers = min(config.workers, cores) // hands
    return Room(hands, share, 0, workers if workers > 1 else 0)


def _processes(run: Run) -> str | int:
    """So many actors, or auto where nothing is said: 1 would not ask for a cluster."""
    said = "processes" in run.config.model_fields_set
    return run.config.processes if said else "auto"


def on_ray(task: Task, plan: Plan, tick: Tick, say: Say) -> Done:
    """Have actors do everything that a plan lists; where it lists nothing, none is started."""
    if not (plan.count("total") or plan.preparations):
        return Done()
    run = opened(task)
    asked = _processes(run)
    cores = 1 if asked == "auto" else int(asked)
    with stopping(), connected(run.config.ray_address, cores):
        ray = imported()
        there = ray.cluster_resources()
        if there.get("GPU") and run.device.type == "cpu" and run.config.device == "auto":
            say("the cluster's GPUs are not used: start the command on a machine that has one")
        return carry_out(task, plan, Actors(ray, task, room(run, plan, there)), tick, say)
