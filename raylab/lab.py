"""The lab, as a person uses it: attach by name, submit, ask, wait."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from raylab.client.attaching import none_here, running, survey
from raylab.client.attachment import Client
from raylab.client.cluster import NoCluster, connect
from raylab.client.demands import Demand, demands
from raylab.client.glance import lab_card
from raylab.client.handback import without_metadata
from raylab.client.plan import as_new, check_plan, doubled
from raylab.client.provenance import Looking
from raylab.client.runtime_env import environment
from raylab.client.submission import check_if_exists, check_ignore, custom, policy, submission
from raylab.code.pack import Include, pack, several
from raylab.core.design import Factorial, as_design
from raylab.core.given import parameter_name
from raylab.core.handle import Handle, Which
from raylab.core.names import read_name
from raylab.core.showing import Bundle, Showing
from raylab.core.status import Progress
from raylab.core.tabular import is_frame
from raylab.errors import SweepNotFound
from raylab.notebook import layout
from raylab.notebook.inventory import sweeps_frame
from raylab.query.limits import TIMEOUT_S
from raylab.server.known_labs import Place
from raylab.sweep import Sweep
from raylab.worker.experiment import check_parameters


class Lab(Showing):
    """A lab on a Ray cluster, attached to by name.

    Attaching is about the notebook: if the lab's actor is gone (a new cluster, a shutdown), it is started again on the
    notebook that is there, and the work goes on. Without any cluster, one is started inside this process. At the end of
    a notebook's cell, and printed, a lab is a table of its sweeps as they are at that moment.

    Args:
        name: the lab's.
        address: of the Ray cluster (`ray://head:10001`, `host:6379`), unless this process is connected already.
        notebook: the notebook's folder on the lab's node; `~/raylab/NAME` there unless said otherwise.
        create: make a new lab if there is none of this name.

    Raises:
        LabNotFound: there is no such lab and `create` is False; the message lists those there are.
        LabUnavailable: the cluster or the lab does not answer.
        NameRefused: no folder can have this name, or the lab's notebook lies elsewhere.
        VersionMismatch: the cluster runs another Ray or another minor version of Python than this process, or the lab
            a raylab that speaks another protocol; the message says what to install.
        ValueError: the address is none.

    Example:
        >>> lab = raylab.Lab("percolation")          # doctest: +SKIP
        >>> lab["p"] = [0.1, 0.2]                    # doctest: +SKIP
        >>> sweep = lab.submit(percolation)          # doctest: +SKIP
    """

    __iter__ = None
    """A lab is no collection: its items are its axes, its sweeps are `sweeps()`."""

    def __init__(
        self,
        name: str,
        *,
        address: str | None = None,
        notebook: str | Path | None = None,
        create: bool = True,
    ) -> None:
        self._attach(Client(name, address=address, notebook=notebook, create=create))

    def _attach(self, client: Client) -> None:
        self._client = client
        self.name = client.name
        self.axes: dict[str, Any] = {}

    # axes -------------------------------------------------------------------------------------------------------

    def __setitem__(self, axis: str, levels: Any) -> None:
        """Set an axis of this client's; `submit` without a design takes the full factorial of them."""
        self.axes[parameter_name(axis)] = levels

    def __getitem__(self, axis: str) -> Any:
        return self.axes[self._axis(axis)]

    def __delitem__(self, axis: str) -> None:
        del self.axes[self._axis(axis)]

    def _axis(self, given: str) -> str:
        """The name of an axis that is there."""
        name = read_name(given) if isinstance(given, str) else given
        if name not in self.axes:
            raise SweepNotFound(
                f"the items of a lab are its axes in this process, and there is none {given!r}; a sweep is "
                f"lab.sweep({given!r})"
            )
        return name

    # submitting -------------------------------------------------------------------------------------------------

    def submit(
        self,
        experiment: object,
        design: Any = None,
        *,
        name: str | None = None,
        repeats: int = 1,
        seed: int | None = None,
        order: str = "random",
        description: str = "",
        units: Mapping[str, Any] | None = None,
        notify: Any = None,
        if_exists: str = "fail",
        retries: int = 0,
        time_limit: Demand = None,
        priority: int = 0,
        max_concurrency: int | None = None,
        max_failures: float | None = None,
        capture: str = "failed",
        ignore: str | Sequence[str] = (),
        num_cpus: Demand = 1,
        num_gpus: float = 0,
        memory: Demand = None,
        grow: Mapping[str, Any] | None = None,
        resources: Mapping[str, float] | None = None,
        ray_remote_args: Mapping[str, Any] | None = None,
        runtime_env: Mapping[str, Any] | None = None,
        include: Include | Sequence[Include] = (),
    ) -> Sweep:
        """Ask for a sweep. Back as soon as the request is durable; nothing is waited for.

        The same again (experiment's code, design, repeats, seed, order; of a sweep that has grown, as it was submitted
        or as it is now) returns the sweep that is there, and lets a paused or cancelled one go on; the other arguments
        take effect from then on. What makes it another sweep than
        one that is there is told in a warning; nothing is said where nothing changed.

        Something else under the name of a sweep that is there is answered as `if_exists` says, and never takes its
        place unasked, but for a bug that is being mended: a sweep of one's own of which something failed and nothing is
        done, where only the source differs. Without a name, something else gets a new one: the experiment's name,
        then `-2` and so on. A sweep that is replaced is stopped; its rows stay, and are read as `NAME~1`.

        Args:
            experiment: a function, a `raylab.Experiment`, or an object with epyc's `set` and `run`.
            design: a design (also composed: `a * b`, `a + b`, `design.where(expression)`), a frame, a list of dicts or
                a dict of levels; the factorial of `axes` if None. A sampled design without a seed of its own is drawn
                by the sweep's. Rows that raylab gave, as `failures()` does, are taken without the columns about trials,
                and each point once, whichever of its repeats they are.
            name: the sweep's, unique in the lab; the experiment's own if None.
            repeats: independent runs of each point, each with a seed of its own.
            seed: of the sweep, 0 ≤ seed < 2^63; drawn if None.
            order: `random` (what is in stands for the whole) or `design`.
            description: for people; where the same is submitted again, an empty one leaves the one that is there.
            units: of parameters and results, by name: `"K"`, `("K", "temperature of the bath")`, or `{"units": "K",
                "description": "temperature of the bath"}`. They are kept in the notebook, and travel into `to_xarray()`
                and the files that are made of results; names that no column has mean nothing. Where the same is
                submitted again, units of other columns stay.
            notify: who is told when the sweep has ended or is paused, when its first trial failed, and when it stands
                still: an address (`"https://ntfy.sh/TOPIC"`, `"https://hooks.slack.com/services/..."`, any that takes a
                POST of JSON), `"$NAME"` for the variable of the lab's environment that holds one and so is in no
                notebook, `{"url": ..., "on": ["ended", "failed"], "shape": "slack"}`, a command on the lab's node as
                `{"command": ["mail", "-s", "raylab", "ada@example.org"]}`, or a list of these; of `[]` nobody. None
                leaves it to `Lab.notify`, and where the same is submitted again to what was said before.
            if_exists: if something else has the name: `fail` raises SweepExists; `extend` adds the points and repeats
                that are not there yet, where code, seed and order are the same (see `Sweep.extend`); `continue` lets
                the one that is there go on with this code, where seed and order are the same: what is done stays, what
                waits or failed runs with the new version, and so do points and repeats that are not there yet; a lease
                that has begun ends with the code it began with. `replace` sets the one that is there aside. The last
                two want a sweep of one's own that is not locked. It never matters for the same again.
            retries: how often a trial that raises is tried again, at once.
            time_limit: seconds that one trial may take; then it is ended, also inside C code, and recorded as
                `timed_out`. It has a second to clean up in, or its process is ended with it. Like `num_cpus` and
                `memory` a number, or what follows from a trial's parameters: a dict by a parameter's level,
                `{"L": {64: 60, 128: 600}}`, or a polars expression over them, `pl.col("L") ** 2 * 1e5`; of these come
                at most 16 different demands.
            priority: sweeps of a higher one go first, wherever they want the same; below 0 for what can wait. Those of
                one priority share the cluster: first its users evenly, then the sweeps of each.
            max_concurrency: how many of its trials run at once, at most.
            max_failures: how many trials fail before the sweep pauses, with the first error as the reason: a number, or
                a share below 1.0 of those that are in, once 100 are. What runs by then ends by itself. After `resume`
                it counts anew.
            capture: of which trials it is kept what they print, for `Sweep.log`: `failed`, those that come to nothing;
                `all`; or `none`, then it goes into Ray's own logs.
            ignore: what does not count when this is compared with the sweep that is there: names of globals, closures,
                defaults and attributes, with all that is inside of them, and files and modules, as patterns
                (`("cache", "model/*.png")`). The values that the sweep was made with stay in use.
            num_cpus: what one trial needs, as Ray counts, like the next four; BLAS and OpenMP get as many threads.
            num_gpus: see `num_cpus`.
            memory: in bytes. A trial waits for a node that has as much left; Ray ends none for taking more.
            grow: lets what came out `out_of_memory` or `timed_out` be tried again with more: the factor by which
                `memory`, `time_limit` or both grow each time, and how often a trial is tried again, as
                `{"memory": 2.0, "time_limit": 2.0, "tries": 3}`; `(2.0, 64e9)` says the most as well. Without a most,
                memory grows up to what a node of the cluster has. A lost node never makes anything grow.
            resources: custom resources.
            ray_remote_args: more of Ray's options for the tasks, as plain data.
            runtime_env: where trials run, in Ray's words: `pip`, `uv`, `conda`, `env_vars`, `image_uri`, and
                `working_dir`, `excludes`, `py_modules` of this machine, whose files travel with the experiment. Another
                pip, conda or env_vars makes another experiment.
            include: files, folders or modules that the experiment needs and imports do not reach.

        Raises:
            DesignError: the design, repeats, seed, order, if_exists or a policy cannot be used.
            ExperimentError: the experiment cannot be run over this design, or cannot travel.
            NameRefused: no folder can have this name.
            SweepExists: another sweep has this name; the message says what differs, and each way out.
            SweepLocked: the sweep is locked, and the policy differs or it was to be replaced or extended.
            LabUnavailable: no answer; it is safe to submit again.
            KeyboardInterrupt: it was interrupted; once the lab was asked, a line says that it is safe to submit again.

        Example:
            >>> lab.submit(percolation, Factorial(p=[0.5, 0.6], L=[64]), repeats=20)    # doctest: +SKIP
        """
        if name is not None:
            name = layout.check_name(name, "sweep")
        self._client.connection.check()
        check_if_exists(if_exists)
        given, remarks = without_metadata(design)
        points = Factorial(self.axes) if design is None else as_design(given)
        check_plan(points, repeats, seed, order)
        ignored = check_ignore(ignore)
        looking = Looking(experiment)
        place = environment(self._client.connection.job_environment(), runtime_env)
        given_amounts = {"num_cpus": num_cpus, "memory": memory, "time_limit": time_limit}
        settled, drawn = as_new(points, seed)
        wanted = demands(settled, **given_amounts)
        amounts = {"CPU": wanted.numbers["num_cpus"], "GPU": num_gpus, "memory": wanted.numbers["memory"]}
        terms = policy(
            description=description,
            units=units,
            notify=notify,
            retries=retries,
            time_limit=wanted.numbers["time_limit"],
            priority=priority,
            max_concurrency=max_concurrency,
            max_failures=max_failures,
            capture=capture,
            resources={**amounts, **custom(resources)},
            classes=wanted.classes,
            grow=grow,
            ray_remote_args=ray_remote_args,
            runtime_env=place.words,
        )
        check_parameters(experiment, points.parameters, points.optional)
        code = pack(experiment, several(include, *place.include), reached=points.modules(), extra=place.files)
        for warning in [*code.warnings, *remarks, *doubled(points), *_not_yet_told(place.remark)]:
            warnings.warn(warning, stacklevel=2)
        asked = submission(
            name=name,
            code=code,
            design=points,
            repeats=repeats,
            seed=seed,
            order=order,
            policy=terms,
            origin=looking.origin(code.imports),
            partition=wanted.partition,
            ignore=ignored,
            if_exists=if_exists,
            drawn=drawn,
        )
        rows = points if remarks or is_frame(design) else None
        answer = self._client.submit(asked, given_amounts, rows)
        told = [*answer["told"], *self._client.unset(terms.notify)]
        for warning in filter(None, [answer["decision"].remark, *told]):
            warnings.warn(warning, stacklevel=2)
        if answer["infeasible"]:
            warnings.warn(f"{answer['name']!r}: {answer['infeasible']}", stacklevel=2)
        return Sweep(self._client, Handle(answer["name"], answer["folder"]))

    # sweeps -----------------------------------------------------------------------------------------------------

    def sweep(self, name: str) -> Sweep:
        """The sweep that has this name now, also when another one has it later; `NAME~1` is the first one that was set
        aside for another one of its name, `NAME~2` the next.

        Raises:
            SweepNotFound: there is none; the message lists those there are.
        """
        return Sweep(self._client, self._client.pinned(name))

    def sweeps(self, *, archived: bool = False) -> pl.DataFrame:
        """A row for each sweep: name, user, state, priority, total, ready, done, failed, cancelled, running, waiting,
        rows, repeats, max_concurrency and max_failures (null where there is none), design, description, archived,
        submitted (UTC).

        Sweeps that were set aside for another one of their name are not among them; `sweep("NAME~1")` and
        `results("NAME~1")` read the first of them, and so on.

        Args:
            archived: with those that are archived.
        """
        return sweeps_frame(self._client.overview(archived=archived))

    def pause(self, name: str) -> None:
        """Let the sweep that has the name now stand still; see `Sweep.pause`."""
        self._client.pause(name)

    def resume(self, name: str) -> None:
        """Let the sweep that has the name now go on; see `Sweep.resume`."""
        self._client.resume(name)

    def cancel(self, name: str) -> int:
        """Give up what is not recorded of the sweep that has the name now; returns how many trials that is."""
        return self._client.cancel(name)

    def archive(self, name: str, *, undo: bool = False) -> None:
        """Hide a sweep: without a name no verb speaks of it, and `sweeps()` leaves it out; by its name it is there as
        before. Whatever lets it run again takes it out of the archive, as submitting it again does.

        Args:
            name: the sweep's.
            undo: show it again.

        Raises:
            LabBusy: trials of it are outstanding, and it is neither paused nor cancelled: nothing runs unseen.
            SweepNotFound: there is none of this name.

        Example:
            >>> lab.archive("coarse")                    # doctest: +SKIP
            >>> lab.archive("coarse", undo=True)         # doctest: +SKIP
        """
        self._client.archive(name, undo)

    def remove(self, name: str) -> None:
        """Delete the sweep that has the name now, for good, with its rows and the code that no other sweep needs. What
        runs of it is stopped by force. The name is free again; a handle of the sweep says by whom it was removed, and
        when.

        Args:
            name: the sweep's; `NAME~1` for one that was set aside.

        Raises:
            SweepLocked: it is locked.
            SweepNotFound: there is none of this name.

        Example:
            >>> lab.remove("mistyped")                   # doctest: +SKIP
        """
        self._client.remove(name)

    def notify(self, to: Any) -> None:
        """Say who is told of the lab's sweeps: of all, also those to come, that name nobody themselves. It outlives the
        lab. What had happened before is not told.

        Args:
            to: as `submit(notify=)` takes it; None or `[]` for nobody. It takes the place of what was said before.

        Raises:
            DesignError: it cannot be used.
            LabUnavailable: no answer; it is safe to say it again.

        Example:
            >>> lab.notify("$RAYLAB_SLACK")              # doctest: +SKIP
            >>> lab.notify(None)                         # doctest: +SKIP
        """
        for remark in self._client.notify(to):
            warnings.warn(remark, stacklevel=2)

    # asking -----------------------------------------------------------------------------------------------------

    def progress(self, name: Which = None) -> Progress:
        """How far a sweep is, several (a list of names), or all that are not archived together; so the next four."""
        return self._client.progress(name)

    def ready(self, name: Which = None) -> bool:
        """Whether every trial that was not cancelled is in the notebook."""
        return self.progress(name).outstanding == 0

    def ready_fraction(self, name: Which = None) -> float:
        """The share of the trials that is in the notebook; 1.0 when nothing was asked."""
        return self.progress(name).ready_fraction

    def number_of_results(self, name: Which = None) -> int:
        """Rows in the notebook, of every status."""
        return self.progress(name).rows

    def update_results(self, name: Which = None) -> int:
        """How many rows came in since this client last asked. One small call, whatever the size of the sweep."""
        return self._client.update_results(name)

    def wait(self, name: Which = None, *, timeout: float | None = None, progress: bool = True) -> bool:
        """Wait until all is in, with a tqdm bar. Nothing is cancelled when the wait ends early.

        Args:
            name: of a sweep, or a list of names; all sweeps that are not archived if None.
            timeout: seconds to wait at most; None waits as long as it takes.
            progress: show the bar.

        Returns:
            True when all is in; False at the timeout, or when what is left stands still for a reason that time does
            not cure: paused, fenced, an environment that could not be built three times in a row (a module that is
            missing on the cluster). The reason is said on stderr.

        Raises:
            LabUnavailable: the lab has not answered for a minute.
            SweepNotFound: there is none of this name, or it was replaced or removed meanwhile.
            KeyboardInterrupt: it was interrupted; a line says that nothing was cancelled, and how far it is.
            ValueError: the timeout is no number of seconds from 0 on.
        """
        return self._client.wait(name, timeout, progress)

    def watch(self, name: Which = None, *, timeout: float | None = None) -> None:
        """Show how far sweeps are, again whenever there is news, until they end; see `Sweep.watch`.

        Args:
            name: of a sweep, or a list of names; all sweeps that are not archived if None, also those that are
                submitted meanwhile.
            timeout: seconds to watch at most; None watches as long as it takes.

        Raises:
            LabUnavailable: the lab does not answer.
            SweepNotFound: there is none of this name.
            ValueError: the timeout is no number of seconds from 0 on.

        Example:
            >>> raylab.Lab("percolation").watch()        # doctest: +SKIP
        """
        self._client.watch(name, timeout)

    def results(
        self,
        name: Which = None,
        *,
        status: str | Sequence[str] = "done",
        metadata: bool | Sequence[str] = False,
        table: str | None = None,
        columns: str | Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Everything of a sweep that is in the notebook at the call.

        Args:
            name: of the sweep; the only one that is not archived if None. A list of names gives the rows of all of
                them, one sweep after the other, with a column `_sweep` in front.
            status: `done`, `failed`, `crashed`, `out_of_memory`, `timed_out`, several of them, or `all`.
            metadata: True adds all columns about the trials (`_seq`, `_point`, `_status` and so on), a list some.
            table: the name of a result that is a frame, a dict or a list of dicts: its rows instead of those of trials,
                each with the parameters of its trial. A frame without rows has none; a trial that came to nothing has
                a row of nulls, where `status` asks for it. Results that are frames are seen in no other way.
            columns: the names of parameters, results and metadata: these alone, in this order, then what `metadata`
                asks for. As long as no result is in, a name that nobody knows yet is a column of nulls (floats), and a
                warning says so; so a script that plots runs before the first row as it does later.

        Returns:
            A row for each trial (several where the experiment returns several): the parameters in the design's
            order, `_repeat` when there are repeats, the results as the experiment names them (nulls for failed
            trials), the metadata asked for. By point, then by repeat, then as the experiment gave the rows: the same
            rows are the same frame, in whatever order they came. Where values of a name are of several kinds, numbers
            have the plain name before truth values, text, times and the rest; the others are `NAME__KIND`. So it is
            where sweeps of a list have values of several kinds.

        Raises:
            SweepNotFound: no such sweep, or no name given and not just one sweep; the message lists them.
            NotebookDamaged: a file is not what was written.
            ValueError: there is no such status, metadata, table or column; the message says which there are.
        """
        return self._client.results(name, status, metadata, table, columns)

    def scan(
        self,
        name: Which = None,
        *,
        status: str | Sequence[str] = "done",
        metadata: bool | Sequence[str] = False,
        table: str | None = None,
        columns: str | Sequence[str] | None = None,
    ) -> pl.LazyFrame:
        """The columns of `results` as a LazyFrame, in the order of `_seq`: that of arrival, not of the design."""
        return self._client.scan(name, status, metadata, table, columns)

    def query(
        self,
        function: Callable[[pl.LazyFrame], Any],
        name: Which = None,
        *,
        status: str | Sequence[str] = "done",
        metadata: bool | Sequence[str] = False,
        table: str | None = None,
        columns: str | Sequence[str] | None = None,
        memory: float | None = None,
        timeout: float | None = TIMEOUT_S,
    ) -> Any:
        """What a function makes of the rows, on the lab's node; see `Sweep.query`.

        Args:
            function: is given the rows, a LazyFrame.
            name: of the sweep; the only one that is not archived if None. A list of names gives the rows of all of
                them, with a column `_sweep`.
            status, metadata, table, columns: which rows, as of `scan`.
            memory, timeout: as of `Sweep.query`.

        Example:
            >>> lab = raylab.Lab("percolation")                                                    # doctest: +SKIP
            >>> lab.query(lambda rows: rows.group_by("_sweep").len(), ["coarse", "fine"])          # doctest: +SKIP
        """
        words = {"status": status, "metadata": metadata, "table": table, "columns": columns}
        limits = {"memory": memory, "timeout": timeout}
        return self._client.query(name, function, **words, **limits)

    def info(self) -> dict[str, Any]:
        """The lab: name, notebook (its folder), node, pid of the actor, started (UTC), user, and the versions of
        raylab, Ray, Python and the notebook's format; `notify`: who is told of sweeps that name nobody, each with the
        host of the address (`to`), the events (`on`) and the `shape`, where one was given; `dashboard`: the address of
        Ray's dashboard, None where none runs."""
        return self._client.info()

    def shutdown(self, *, force: bool = False) -> None:
        """End the lab's actor. The notebook stays; attaching again starts the lab on it.

        Args:
            force: also with trials outstanding; they go on when somebody attaches.

        Raises:
            LabBusy: trials are outstanding and `force` is False.
        """
        self._client.connection.end(force)

    def _card(self) -> Bundle:
        return lab_card(self._client, lambda: str(self._client.connection.info()["notebook"]))

    def __str__(self) -> str:
        """Its sweeps, a line each, as far as the lab answers within 5 s; `repr` asks nobody."""
        return self._card().text

    def __repr__(self) -> str:
        return f"<Lab {self.name!r}>"


_told: set[str] = set()


def _not_yet_told(remark: str) -> list[str]:
    """A remark that one process needs only once."""
    new = [remark] if remark and remark not in _told else []
    _told.update(new)
    return new


def labs(address: str | None = None, *, archived: bool = False) -> pl.DataFrame:
    """The labs of a cluster.

    Args:
        address: of the cluster, unless this process is connected already.
        archived: with those at rest that `raylab archive` has hidden.

    Returns:
        A row for each lab: name, user, running (whether its actor is there), archived, notebook, created (UTC; null
        for one whose notebook cannot be read).

    Raises:
        LabUnavailable: there is no cluster, or it does not answer.
    """
    try:
        connect(address, start=False)
    except NoCluster as error:
        raise none_here(None, error) from None
    up = set(running())
    known: dict[str, Place | None] = dict.fromkeys(up) | {place.name: place for place in survey().labs}
    rows = [
        {
            "name": name,
            "user": place.user if place else "",
            "running": name in up,
            "archived": bool(place and place.archived),
            "notebook": place.notebook if place else "",
            "created": datetime.fromisoformat(place.created) if place and place.created else None,
        }
        for name, place in sorted(known.items())
        if archived or name in up or not (place and place.archived)
    ]
    schema: dict[str, Any] = {
        "name": pl.String,
        "user": pl.String,
        "running": pl.Boolean,
        "archived": pl.Boolean,
        "notebook": pl.String,
        "created": pl.Datetime("us", "UTC"),
    }
    return pl.DataFrame(rows, schema=schema)
