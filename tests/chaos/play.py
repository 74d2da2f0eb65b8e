"""A round of the chaos run: a fresh lab, its sweeps, the faults of a plan one after the other, and the reckoning.

Whatever happens, also an interrupt, nothing stays behind but the folder of a round that failed.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
from clusters import LAB, LEASE, Client, SmallDisk, eventually

import raylab
from chaos.arena import Arena
from chaos.clients import ATTACH, FENCED, FINISH, LAST_WORDS, LEAVE, SUBMIT, TAKE_OVER, Observer
from chaos.plan import ACTOR, CLIENT, CLUSTER, DEADLY, DISK, FREEZE, KINDS, WORKER, Fault, Plan, Submit
from chaos.report import Result
from chaos.truth import Executions, Known, blamed, wrong_executions, wrong_notebook, wrong_sights, wrong_writers
from raylab.notebook.posix import PosixStore
from raylab.notebook.table_files import last_opening

STUCK_S = 240.0
"""After the last fault; then the round has failed."""

BACK_S = 120.0
"""For a lab to be back, a client to answer, a fault to be over."""

ATTACH_S = 150.0
"""For a client to be attached. Over ray:// that is long: Ray's server forks beside gRPC's threads for each client, now
and then the child is dead at birth, and Ray says so after 40 s."""


class Trouble(AssertionError):
    """The round shows a fault of raylab (or of this harness)."""


class Round:
    """One lab, its sweeps, and the faults that a plan has for them."""

    def __init__(self, plan: Plan, arena: Arena, disk: SmallDisk | None, folder: Path) -> None:
        self.plan, self.arena, self.disk, self.folder = plan, arena, disk, folder
        self.lab = f"chaos-{plan.seed}-{os.getpid()}-{int(time.time())}"
        self.notebook = (disk.path if disk else folder) / self.lab
        self.result = Result(plan.seed, trials=sum(known.total for known in plan.sweeps))
        self.submitted: list[Known] = []
        self.observers: list[Observer] = []
        self._started = time.monotonic()
        self._recorded_at_death = -1

    def play(self) -> Result:
        """All of it. What goes wrong is in the result; only an interrupt is raised."""
        try:
            self._play()
        except Exception as error:
            self._say("trouble:", error)
            self.result.mismatches.append(f"{type(error).__name__}: {error}")
        finally:
            for observer in self.observers:
                observer.kill()
                self.result.states |= observer.states()
            if self.disk:
                self.disk.free()
        self.result.seconds = round(time.monotonic() - self._started, 1)
        return self.result

    def _play(self) -> None:
        for step in self.plan.steps:
            if isinstance(step, Submit):
                self._submit(step)
            elif len(self.submitted) == len(self.plan.sweeps) and not self._outstanding():
                break
            elif self._pause(step.after):
                self._inject(step)
        eventually(lambda: self._watched(not self._outstanding()), STUCK_S, 0.2)
        self._finish()

    def _say(self, *words: object) -> None:
        print(f"{time.monotonic() - self._started:6.1f} s", *words, flush=True)

    # looking ------------------------------------------------------------------------------------------------------

    def _recorded(self) -> int:
        """Trials on disk."""
        book = raylab.Notebook(self.notebook)
        return sum(book.progress(known.name).ready for known in self.submitted)

    def _outstanding(self) -> int:
        return sum(known.total for known in self.submitted) - self._recorded()

    def _watched(self, value: bool) -> bool:
        """The value; raises as soon as an observer has seen something wrong."""
        for observer in self.observers:
            if words := observer.violation():
                raise Trouble(f"{observer.known.name}: {words}")
        return value

    def _pause(self, seconds: float) -> bool:
        """Let time go by; False if everything was ready before that."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.1)
            if not self._watched(bool(self._outstanding())):
                return len(self.submitted) < len(self.plan.sweeps)
        return True

    def _actor(self) -> int:
        """The process of the lab in force: the last one that opened the notebook, alive."""

        def alive() -> int:
            opening = last_opening(PosixStore(self.notebook), "requests")
            pid = int(opening.writer["pid"]) if opening else 0
            return pid if pid in self.arena.active.workers(LAB) else 0

        return eventually(alive, BACK_S)

    # steps --------------------------------------------------------------------------------------------------------

    def _submit(self, step: Submit) -> None:
        known = self.plan.sweeps[step.sweep]
        self._say("submit", step)
        for mark, delay in step.kills:
            client = self._client(known, step.far)
            with client:
                client.printed("started" if mark == "start" else "attached", ATTACH_S)
                time.sleep(delay)
            self.result.faults[CLIENT] += 1
        with self._client(known, step.far) as client:
            client.printed("attached", ATTACH_S)
            if step.shot is not None:
                time.sleep(step.shot)
                self._kill_actor()
            client.wait(BACK_S * 2)
        self.submitted.append(known)
        self.result.faults[DEADLY] += len(known.deadly) * known.repeats
        self._observe(known)

    def _client(self, known: Known, far: bool) -> Client:
        """A laptop that submits the sweep; its folder, with the module, is gone when the next one comes."""
        cluster = self.arena.active
        folder = self.folder / "laptop"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        code = known.code(self._log(known))
        module = f"chaos_local_{known.name}"
        if known.module:
            (folder / f"{module}.py").write_text(code)
            code = f"from {module} import trial\n"
        values: dict[str, Any] = {
            "sweep": known.name,
            "points": known.points,
            "repeats": known.repeats,
            "seed": known.seed,
        }
        return cluster.begin(
            code + ATTACH + SUBMIT,
            address=cluster.client_address if far else cluster.address,
            cwd=folder,
            lab_name=self.lab,
            notebook=str(self.notebook),
            **values,
        )

    def _log(self, known: Known) -> Path:
        return self.folder / f"{known.name}.log"

    def _observe(self, known: Known) -> None:
        seen = self.folder / f"seen-{known.name}"
        seen.mkdir(exist_ok=True)
        far = bool((self.plan.seed + len(self.observers)) % 2)
        self.observers.append(Observer(self.arena.active, known, self.lab, seen, far))

    def _observe_anew(self) -> None:
        """The lab has moved to another cluster: the observers follow."""
        self._watched(True)
        for observer in self.observers:
            observer.kill()
        for known in self.submitted:
            self._observe(known)

    def _inject(self, fault: Fault) -> None:
        self._say(KINDS[fault.kind], f"draw {fault.draw:.2f}, length {fault.length:.1f},", self._recorded(), "recorded")
        steps: dict[int, Callable[[Fault], None]] = {
            ACTOR: lambda _: self._kill_actor(),
            WORKER: self._kill_workers,
            CLUSTER: self._kill_cluster,
            DISK: self._fill_disk,
            FREEZE: self._freeze,
        }
        steps[fault.kind](fault)

    def _moved_on(self) -> None:
        """Wait until something was recorded since the last death of the lab.

        A trial that is about to run alone when the lab dies has a strike for it: three deaths of the lab without any
        progress between them would blame it rightly.
        """
        if not self.submitted:
            return

        def grown() -> bool:
            return self._watched(not self._outstanding() or self._recorded() > self._recorded_at_death)

        eventually(grown, STUCK_S)
        self._recorded_at_death = self._recorded()

    def _kill_actor(self) -> None:
        self._moved_on()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._actor(), signal.SIGKILL)
        self.result.faults[ACTOR] += 1

    def _kill_workers(self, fault: Fault) -> None:
        running = self.arena.active.workers(LEASE)
        random.Random(fault.draw).shuffle(running)
        for pid in running[: 1 + (fault.draw < 0.3)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self.result.faults[WORKER] += 1

    def _kill_cluster(self, fault: Fault) -> None:
        self._moved_on()
        self.arena.renew()
        self.arena.active.client("raylab.Lab(lab_name, create=False).progress()", lab_name=self.lab)
        self._observe_anew()
        self.result.faults[CLUSTER] += 1

    def _fill_disk(self, fault: Fault) -> None:
        assert self.disk is not None
        if not self.submitted:
            return  # a lab cannot be made without room
        pid = self._actor()  # before: a lab that starts on a full disk writes no opening, and so has no name yet
        self.disk.fill()
        try:
            self._pause(fault.length)
            if fault.draw < 0.3:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                self.result.faults[ACTOR] += 1
                self._pause(fault.length / 2)
        finally:
            self.disk.free()
        self.result.faults[DISK] += 1

    def _freeze(self, fault: Fault) -> None:
        first, second = self.arena.active, self.arena.ready_spare()
        if not self._outstanding():
            return
        self._moved_on()
        pid = self._actor()
        where = {"lab_name": self.lab, "notebook": str(self.notebook)}
        os.kill(pid, signal.SIGSTOP)
        try:
            before = self._recorded()
            second.client(TAKE_OVER, **where)
            self._say("  the other lab is there")
            eventually(lambda: not self._outstanding() or self._recorded() > before, BACK_S)
            time.sleep(fault.length / 2)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        back = fault.draw < 0.5
        self._say("  the first one goes on, and is fenced; back: ", back)
        first.client(FENCED, lab_name=self.lab, back=back)
        self._say("  it was fenced")
        if back:
            second.client(LEAVE, lab_name=self.lab)
        else:
            self.arena.swap()
        self._check_writers()
        self._observe_anew()
        self.result.faults[FREEZE] += 1

    # the end ------------------------------------------------------------------------------------------------------

    def _check_writers(self) -> None:
        """Each file of the journals is of the one who had opened its table last."""
        for known in self.submitted:
            for folder in ("requests", f"sweeps/{known.name}"):
                wrong = wrong_writers(PosixStore(self.notebook), folder)
                if wrong:
                    raise Trouble(f"{folder}: {wrong}")

    def _finish(self) -> None:
        self._say("all is recorded")
        self._check_writers()
        totals = {known.name: known.total for known in self.plan.sweeps}
        for observer in self.observers:
            self.result.mismatches += observer.end()
        try:
            self.arena.active.client(FINISH, lab_name=self.lab, totals=totals)
        except AssertionError as error:  # the rows are compared all the same
            self.result.mismatches.append(f"the lab's own view: {error}")
        self.result.mismatches += list(self._differences())

    def _differences(self) -> Iterator[str]:
        frozen = self.result.faults[FREEZE]
        for known in self.plan.sweeps:
            yield from wrong_notebook(known, self.notebook)
            rows = raylab.Notebook(self.notebook).results(known.name, status="all", metadata=True)
            ran = Executions.read(self._log(known))
            self.result.rows += rows.height
            self.result.again += ran.again
            yield from blamed(known, rows, ran)
            yield from wrong_executions(known, ran)
            seen = [pl.read_parquet(file) for file in sorted((self.folder / f"seen-{known.name}").glob("*.parquet"))]
            yield from wrong_sights(known, rows, seen, None if frozen else ran)
        names = raylab.Notebook(self.notebook).sweeps()["name"].to_list()
        if sorted(names) != sorted(known.name for known in self.plan.sweeps):
            yield f"the notebook's sweeps are {names}"


def play(plan: Plan, arena: Arena, disk: SmallDisk | None) -> Result:
    """A round in a folder of its own, kept if it fails."""
    folder = Path(tempfile.mkdtemp(prefix="rl-chaos-", dir="/tmp"))
    game = Round(plan, arena, disk, folder)
    try:
        result = game.play()
        if result.mismatches:
            result.kept = str(folder)
            _keep(game)
            print(f"the round failed; to run it again: --chaos-seed {plan.seed} --chaos-rounds 1\n{plan.text()}")
            print("\n".join(result.mismatches), f"\nkept: {folder}", flush=True)
        return result
    finally:
        if disk is not None:
            shutil.rmtree(game.notebook, ignore_errors=True)
        if not game.result.kept:
            shutil.rmtree(folder, ignore_errors=True)


def _keep(game: Round) -> None:
    """All that helps to find out what went wrong, in the round's folder."""
    (game.folder / "plan.txt").write_text(game.plan.text())
    (game.folder / "mismatches.txt").write_text("\n".join(game.result.mismatches))
    (game.folder / "logs.txt").write_text(game.arena.logs())
    with contextlib.suppress(AssertionError):
        (game.folder / "lab.txt").write_text(game.arena.active.client(LAST_WORDS, lab_name=game.lab))
    if game.disk is not None:
        with contextlib.suppress(shutil.Error, OSError):  # the lab may be sealing a journal meanwhile
            shutil.copytree(game.notebook, game.folder / game.lab)
