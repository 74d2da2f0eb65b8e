"""One sweep, as its lab's client sees it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

from raylab.client.attachment import Client
from raylab.client.glance import sweep_card
from raylab.client.handback import without_metadata
from raylab.client.plan import check_repeats
from raylab.client.speech import say
from raylab.core.design import Design, as_design
from raylab.core.handle import Handle
from raylab.core.showing import Bundle, Showing
from raylab.core.status import Progress
from raylab.core.statuses import USUAL
from raylab.core.stretches import in_turn
from raylab.core.tabular import is_frame
from raylab.display.plots import SweepPlots
from raylab.display.subject import Subject
from raylab.errors import DesignError
from raylab.query.limits import TIMEOUT_S
from raylab.rerun.report import Rerun


class Sweep(Showing):
    """One experiment over one design. Made by `Lab.submit` and `Lab.sweep`.

    Every method asks the lab afresh; nothing here goes stale. It means one sweep, not a name: if another one takes the
    name, every method says so (`SweepNotFound`: by whom, when), and `lab.sweep("NAME~1")` is the one that was meant. So
    it does if the sweep was removed. At the end of a notebook's cell, and printed, it is a card: state and reason, how
    far and how fast, what failed and why, who submitted it, as they are at that moment.

    Example:
        >>> sweep = raylab.Lab("percolation").sweep("coarse")     # doctest: +SKIP
        >>> sweep.ready_fraction()                                # doctest: +SKIP
        0.43
    """

    def __init__(self, client: Client, handle: Handle) -> None:
        self._client = client
        self._handle = handle
        self.name = handle.name

    plot = SweepPlots()

    def _subject(self) -> Subject:
        return self._client.subject(self._handle)

    @property
    def design(self) -> Design:
        """What turns the numbers of points, `_point` in the results, into points; also of those that were added."""
        return in_turn(map(Design.loads, self._client.record(self._handle).designs))

    def info(self) -> dict[str, Any]:
        """What was asked: name, user, when, experiment, design, repeats, seed, order, the policy in force, and whether
        the sweep is archived or locked; a sentence on each class of trials, where they ask for different things; of one
        that was set aside, by whom and when (None of others). `notify` has a dict for each who is told, with the
        host of the address alone; None where the sweep leaves it to the lab.

        `code` has a dict for each version of the experiment's code, the first one first: its number `version`, `user`,
        `submitted`, and `differs`, a list of what it differs in from the one before. `_code` in
        `results(metadata=True)` is the number of the version that a trial ran with. The dict says where the version
        came from, too, with None for what is not known:

        - `host`, `folder` (the working directory), and `command`: the command line, a notebook's name, or
          `interactive`;
        - `python`, `platform`, `packages` (all that was installed, with versions), and of these `imports`, what the
          experiment imports;
        - of the git repository that the experiment's file lies in, else the script or the working directory: `commit`,
          `branch`, `remote` (without passwords), `dirty`, `untracked` (the first 100, and how many more in
          `more_untracked`), the text of the `diff`, of `diff_bytes`, and `diff_cut` where there was more of it. `git`
          says why something of it is not known. With RAYLAB_DIFF=0 in the environment no diff is kept;
        - `workers`: a dict for each environment in which the version has run: `nodes` (up to 1,000), `python`,
          `platform`, `packages`, and `differs`, which imports have another version there.

        Example:
            >>> version = raylab.Lab("percolation").sweep("coarse").info()["code"][0]    # doctest: +SKIP
            >>> version["commit"], version["dirty"], version["imports"]                  # doctest: +SKIP
            ('4be1fa3…', False, {'numpy': '2.4.6'})
        """
        return self._client.info(self._handle)

    def progress(self) -> Progress:
        """How far it is, in numbers."""
        return self._client.progress(self._handle)

    def ready(self) -> bool:
        """Whether every trial that was not cancelled is in the notebook."""
        return self.progress().outstanding == 0

    def ready_fraction(self) -> float:
        """The share of its trials that is in the notebook, 0.0 to 1.0."""
        return self.progress().ready_fraction

    def number_of_results(self) -> int:
        """Rows in the notebook, of every status."""
        return self.progress().rows

    def update_results(self) -> int:
        """How many rows came in since this client last asked."""
        return self._client.update_results(self._handle)

    def wait(self, *, timeout: float | None = None, progress: bool = True) -> bool:
        """Wait until all is in; see `Lab.wait`."""
        return self._client.wait(self._handle, timeout, progress)

    def watch(self, *, timeout: float | None = None, plot: bool = False) -> None:
        """Show how far it is, again whenever there is news, until it ends or what is left stands still.

        In a notebook's cell a card is drawn again in place: in JupyterLab, VS Code and Colab alike, without widgets.
        Elsewhere it is the bar of `wait`, or lines where stderr is no screen. News comes at most twice a second. The
        restart of the lab changes nothing. Interrupted, it says in one line that nothing was cancelled, and returns.

        Args:
            timeout: seconds to watch at most; None watches as long as it takes.
            plot: in a cell, draw `plot()` below the card, again as rows come in. Each row is read once.

        Raises:
            LabUnavailable: the lab does not answer; where it falls silent meanwhile, a line says so.
            ModuleNotFoundError: a plot is asked for, and altair or vl-convert is not installed.
            SweepNotFound: it was replaced or removed; where that happens meanwhile, a line says so.
            ValueError: the timeout is no number of seconds from 0 on.

        Example:
            >>> raylab.Lab("percolation").sweep("coarse").watch()     # doctest: +SKIP
        """
        self._client.watch(self._handle, timeout, plot)

    def results(
        self,
        *,
        status: str | Sequence[str] = "done",
        metadata: bool | Sequence[str] = False,
        table: str | None = None,
        columns: str | Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """The rows that are in, by point, then by repeat; see `Lab.results`."""
        return self._client.results(self._handle, status, metadata, table, columns)

    def scan(
        self,
        *,
        status: str | Sequence[str] = "done",
        metadata: bool | Sequence[str] = False,
        table: str | None = None,
        columns: str | Sequence[str] | None = None,
    ) -> pl.LazyFrame:
        """The rows that are in, as a LazyFrame in the order of `_seq`; see `Lab.scan`."""
        return self._client.scan(self._handle, status, metadata, table, columns)

    def query(
        self,
        function: Callable[[pl.LazyFrame], Any],
        *,
        status: str | Sequence[str] = "done",
        metadata: bool | Sequence[str] = False,
        table: str | None = None,
        columns: str | Sequence[str] | None = None,
        memory: float | None = None,
        timeout: float | None = TIMEOUT_S,
    ) -> Any:
        """What a function makes of the rows that are in, worked out on the lab's node: only the answer travels.

        The function runs once, in a process of its own there, with all rows that are in at the call; the lab and its
        trials go on beside it. It travels as experiments do, with the values that it captures and the local modules
        that it reaches; packages are those of the node. It finds an empty folder; what it prints is printed here, what
        it warns of is warned of here, and what it raises is raised here, with a note that has its own lines. Two
        queries of a user run at once on a node, further ones wait for their turn.

        Args:
            function: is given the rows, a polars LazyFrame with the columns of `scan`; returns a LazyFrame (collected
                with polars's streaming engine), a DataFrame, a Series, an expression (over all rows), or one number,
                text or time.
            status, metadata, table, columns: which rows, as of `scan`.
            memory: bytes that it may take; a quarter of the node's if None. Files of the notebook do not count.
            timeout: seconds that it may take, its turn in line not counted; None for as long as it takes.

        Returns:
            A DataFrame of a LazyFrame, a DataFrame or an expression; else what the function returned. 2^30 bytes at
            most.

        Raises:
            MemoryError: it took more memory than it may, or the node had none left for it.
            TimeoutError: it took longer than it may.
            TypeError: the function is none, or returned something else.
            ValueError: the function cannot travel, the answer is too large, or an argument cannot be used.
            RuntimeError: its process ended without an answer; the message says how. Or the function raised something of
                a class that is not loaded here.
            LabUnavailable: the node does not answer; it is safe to ask again.
            SweepNotFound: the sweep was replaced or removed meanwhile.

        Example:
            >>> sweep = raylab.Lab("percolation").sweep("coarse")                                  # doctest: +SKIP
            >>> sweep.query(lambda rows: rows.group_by("p").agg(pl.col("spans").mean()))           # doctest: +SKIP
            >>> sweep.query(lambda rows: pl.col("largest").quantile(0.99))                         # doctest: +SKIP
        """
        words = {"status": status, "metadata": metadata, "table": table, "columns": columns}
        limits = {"memory": memory, "timeout": timeout}
        return self._client.query(self._handle, function, **words, **limits)

    def to_xarray(self) -> Any:
        """The results that are in, as an xarray.Dataset. Needs xarray: `pip install 'raylab[xarray]'`.

        The dimensions are the axes of the design, in its order, each with its levels as coordinate (an axis of one
        level has length 1; what is no single value in `results` is text here, too); then `_repeat` where there are
        repeats, `row` where trials have several rows, and the dimensions of the values. A sweep that has grown is the
        grid of all its levels, unless that has over 10,000 cells and is less than 1/4 full. Of a design that is no
        grid, and of such a sweep, there is one dimension `point`, with `_point` as coordinate and the parameters along
        it.

        What xarray's objects brought (dimensions, coordinates, attributes) is as it was. A coordinate that all trials
        share is there once; where trials have other labels along a dimension it is all labels, in order, and each value
        is at its own; beyond 4 times as many labels as a trial has at most, values are at their places, and the labels
        are a variable `NAME__label`. Arrays without labels have the dimensions `NAME_dim_0`, `NAME_dim_1`, shorter ones
        are filled up; a dict is variables `NAME.KEY`. Units and descriptions of `submit(units=)` are the attributes
        `units` and `long_name`.

        Returns:
            An xarray.Dataset of what is `done`. What is missing (not in yet, failed) is NaN, and integers and truth
            values are floats then (objects where no float holds an integer); NaT of times, which are in UTC; NaN
            or None of texts and objects (`isnull()` finds either).

        Raises:
            DesignError: an array would have over 10^8 cells.
            ModuleNotFoundError: xarray is not installed.

        Example:
            >>> sweep = raylab.Lab("percolation").sweep("coarse")     # doctest: +SKIP
            >>> sweep.to_xarray()["spans"].mean("_repeat").plot()     # doctest: +SKIP
        """
        return self._client.to_xarray(self._handle)

    def failures(self, *, by: str | None = None) -> pl.DataFrame:
        """The trials that came to nothing, or why they did. Those that are to be run again (`retry`) are none of them.

        Args:
            by: "cause" for a row for each cause; None for one for each trial.

        Returns:
            A row for each trial, by point, then by repeat: parameters, `_repeat` when there are repeats, `_point` (for
            `log` and `rerun`), `_status`, `_attempt`, `_error`, `_traceback`, `_last_lines` (of what it printed; null
            where that was not kept), `_node`, `_seed`. `submit` takes its points as a design, each once.

            By cause, the most frequent first: the `type` of the exception (null of what raised none, as of a process
            that died), the `message` with numbers, ids and temporary folders as `#`, `where` it was raised (`FILE:LINE`
            of the deepest frame that is of no library) and the `root` it was raised from, if any (strings); how many
            trials, `count`, with which `statuses` (a list, the most frequent first); of the first of them the message
            as it was, `example`, with `_point`, `_repeat` and `_last_lines`; and `rerun`, the line that runs that trial
            here. Beyond 100 causes the rest is one row, `more`.

        Raises:
            ValueError: `by` is something else.

        Example:
            >>> sweep.failures(by="cause").select("type", "message", "count", "rerun").row(0)    # doctest: +SKIP
            ('ValueError', 'no fit at #', 12, 'sweep.rerun(17, repeat=2)')
        """
        return self._client.failures(self._handle, by)

    def summary(
        self,
        of: str | Sequence[str] | None = None,
        *,
        by: str | Sequence[str] | None = None,
        confidence: float | None = 0.95,
    ) -> pl.DataFrame:
        """What the results come to at each point, over its repeats: mean, spread, interval, quartiles, extremes; and
        whether trials are missing there. A running, cancelled or grown sweep is summed up as far as it is.

        What is counted are trials. Of a trial of several rows it is the mean of its rows, so that a hundred rows of one
        trial are not taken for independent ones. Truth values count as 0 and 1, durations in seconds; a result that is
        null or NaN counts as missing; infinity counts. Numbers in a dict are results by names with dots, `model.mean`.
        A trial that was run again counts by its newest record.

        Args:
            of: a result, or several; all that have numbers if None. Numbers about trials are taken, too
                (`_elapsed_s`).
            by: a parameter, or several: the trials of all points that have the same levels of these are one group; of
                `[]` all trials are. None for a row for each point.
            confidence: the share of such intervals that hold the true mean, above 0 and below 1; None for no interval.

        Returns:
            A row for each point and result, in the design's order, also for points of which nothing is in (in a sweep
            of more than 10^7 points only for those of which something is): the parameters, `_point` (not with `by`);
            `result`, its name; `trials` that the point has (int), `failed` of them (int), the share that is `finished`
            (float: `done` ones alone); `n`, how many have a number (int), and `complete`, whether all have (bool);
            `mean`, `sd` (by n - 1), `se` (standard error of the mean), the interval from `low` to `high` (by Student's
            t of n - 1 degrees of freedom), `median`, the quartiles `q25` and `q75` (as `numpy.percentile`), `min` and
            `max`: floats, null where n is too small. What a parameter is called already is `NAME__summary`. Where no
            result is known, `result` is null. With `by`, of more than 10^7 points nobody counts the trials: `trials`,
            `finished` and `complete` are null.

        Raises:
            ValueError: there is no such result or parameter, the result is no number, or `confidence` is no share.
            ModuleNotFoundError: scipy is not installed (`pip install 'raylab[scipy]'`), and an interval is asked for.

        Example:
            >>> sweep = raylab.Lab("percolation").sweep("coarse")                  # doctest: +SKIP
            >>> sweep.summary("largest", by="p").select("p", "mean", "low", "high", "complete")    # doctest: +SKIP
        """
        return self._client.summary(self._handle, of, by, confidence)

    def log(self, point: int, repeat: int = 0, *, attempt: int | None = None) -> str:
        """What a trial printed, on stdout and stderr: Python, C, and the processes that it started.

        Kept is what `submit(..., capture=)` says: of trials that came to nothing by default, also of those whose
        process died. Of more than 64 kB the middle is left out, and a line says so. Once the logs of a sweep have
        64 MB, what is printed is only counted. `_printed` in `results(metadata=True)` is the number of bytes.

        Args:
            point, repeat: the trial, by `_point` and `_repeat` of its rows.
            attempt: which one, as `_attempt` counts them; the one of its record if None. What failed and was tried
                again has a log for each attempt.

        Returns:
            The text; empty if it printed nothing.

        Raises:
            LogNotFound: none is kept, the trial is still waiting or running, or there is no such trial; the message
                says which, and what to do.

        Example:
            >>> print(raylab.Lab("percolation").sweep("coarse").log(17))    # doctest: +SKIP
        """
        return self._client.log(self._handle, point, repeat, attempt)

    def warnings(self) -> pl.DataFrame:
        """The warnings that trials showed, grouped: what a library says of non-convergence, of a deprecated argument.

        Each trial shows its own, also where its process has shown the same before; `_warnings` in
        `results(metadata=True)` counts them. What an experiment catches or filters out itself was not shown, and what
        modules say when they are imported counts for nobody. Reads no rows.

        Returns:
            A row for each kind, the most frequent first: `category` (the class's name) and `text`, in which numbers
            are `#` (strings), `count`, `trials` that showed it, the text of an `example`, and the `_point` and
            `_repeat` of the trial that said it. Beyond 100 kinds the rest is one row, `more`.

        Example:
            >>> raylab.Lab("percolation").sweep("coarse").warnings()    # doctest: +SKIP
        """
        return self._client.warnings(self._handle)

    def updates(self, *, since: int = 0, timeout: float | None = None) -> Iterator[pl.DataFrame]:
        """The rows as they come in: a frame at a time, each row once, until the sweep ends.

        Args:
            since: the first `_seq` of interest; the last one seen, plus one, goes on from there.
            timeout: seconds after which to end in any case.

        Yields:
            Frames of all statuses with all metadata, in the order of `_seq`. Columns are called as on disk, where the
            kind that came first has the plain name, so that no frame calls a column otherwise than an earlier one;
            `results` has names and an order that do not depend on what came first.

        Raises:
            LabUnavailable: the lab does not answer.
            SweepNotFound: the sweep was replaced or removed meanwhile.
        """
        return self._client.updates(self._handle, since, timeout)

    def rerun(self, point: int, repeat: int = 0, *, code: int | None = None, debugger: bool = False) -> Rerun:
        """Run one recorded trial again, here: in this process, with the notebook's own code, the trial's own values and
        seeds; and say whether what comes out is the record, bit by bit. Nothing is written.

        What the trial raises is raised, as it is, so that a debugger (`python -m pdb`, `%debug`, `breakpoint()`) is in
        the experiment's code; a note on it says what the record is. What it prints is printed. No time limit holds.

        The code's modules are loaded beside those of this process, which may be newer ones of the same names; these,
        the folder, the environment and the generators of random numbers are as before afterwards. Packages are those
        that are installed here. A trial that has ended its process ends this one.

        Args:
            point: `_point` of the trial's rows.
            repeat: `_repeat` of them.
            code: the version of the code to run with, from 1 on; the record's own if None. Of a trial without a record
                it is the one in force.
            debugger: begin in the debugger, at the first line of the experiment (of its `do` or `run`); where something
                is raised the debugger opens there, too.

        Returns:
            `same`: True, False, or None where nothing is recorded yet; `differences`: of values (column, as recorded,
            as now), versions and host; `result`: what the experiment returned; `rows` and `recorded`: the columns of
            `results()`. It shows itself in a few lines.

        Raises:
            IndexError: there is no such trial, or no such version of the code.
            ExperimentError: the code needs a package that is not installed here.
            VersionMismatch: it was submitted from another minor version of Python.
            NotebookDamaged: a file is missing, or not what was written.

        Example:
            >>> sweep = raylab.Lab("percolation").sweep("coarse")     # doctest: +SKIP
            >>> sweep.rerun(17, repeat=3)                             # doctest: +SKIP
            point 17, repeat 3 of 'coarse', code version 1: the same as its record, bit by bit
              p=0.17, L=64
        """
        return self._client.rerun(self._handle, point, repeat, code, debugger)

    def extend(self, design: Any = None, *, repeats: int | None = None) -> int:
        """Add points and repeats, while the sweep runs or after it. Back as soon as that is durable.

        Afterwards every point of the design, or every point of the sweep if none is given, is there and has at least so
        many repeats. Points are the same if their values are equal and of the same types. What is there stays as it is:
        rows, seeds, `_point` and `_repeat`. The same call again adds nothing. What is added comes in turn with what is
        left of the sweep; a sweep that is paused or cancelled stays so, and a warning says it.

        Args:
            design: a design, a frame, a list of dicts or a dict of levels, of the sweep's parameters. A longer Sobol or
                Random design goes on with the one that is there, drawn by the same seed; any other sampled design
                brings new points.
            repeats: of each point, at least; None leaves the points that are there as they are, and gives new ones as
                many as the sweep had first.

        Returns:
            How many trials that adds.

        Raises:
            DesignError: nothing is asked for; the parameters are other ones, or a value is of another kind than the
                parameter has; the points are too many to be compared.
            SweepLocked: the sweep is locked and would grow, or it was set aside.
            LabUnavailable: no answer; it is safe to ask again.

        Example:
            >>> sweep = raylab.Lab("percolation").sweep("coarse")                        # doctest: +SKIP
            >>> sweep.extend(raylab.Factorial(p=[0.585, 0.59, 0.595], L=[64, 128]))      # doctest: +SKIP
            120
            >>> sweep.extend(repeats=50)                                                 # doctest: +SKIP
            6120
        """
        given, remarks = without_metadata(design)
        if given is None and repeats is None:
            raise DesignError("extend takes a design, repeats=, or both; got neither")
        if repeats is not None:
            check_repeats(repeats)
        points = None if given is None else as_design(given)
        are_rows = bool(remarks) or is_frame(design)
        added, told = self._client.extend(self._handle, points, None if repeats is None else int(repeats), are_rows)
        for warning in [*remarks, *told]:
            warnings.warn(warning, stacklevel=2)
        return added

    def retry(self, *, status: str | Sequence[str] = USUAL) -> int:
        """Run again what failed, with the same parameters, repeats and seeds, under the code and the policy in force.

        Rows of earlier runs stay: `updates` and the files have them; `_attempt` counts on. Everything else goes by the
        newest record: a trial that is to be run again is waiting, and no failure any more.

        A sweep that is complete is taken up again, and one that has paused itself goes on; one that a person paused
        stays paused. What fails after the call is a matter of the next one.

        Args:
            status: which failures: `failed`, `crashed`, `timed_out` or `out_of_memory`, one or several. What ran out of
                memory is not among the usual ones, since it would do so again: give it more first.

        Returns:
            How many trials run again; 0 if nothing failed like that.

        Raises:
            ValueError: it is no such status.
            SweepLocked: the sweep is locked, cancelled, or was set aside.
            LabUnavailable: no answer; it is safe to call it again.

        Example:
            >>> sweep.retry()                                         # doctest: +SKIP
            12
            >>> sweep.retry(status="out_of_memory")                   # doctest: +SKIP
            3
        """
        return self._client.retry(self._handle, status)

    def change(self, **policy: Any) -> None:
        """Run what is left of it otherwise. The experiment is not needed, nothing of its identity changes.

        Trials that run end as they began, and recorded ones stay as they are; a line says so where some of them failed
        and would be tried again, or longer, by now: `retry` runs those. The policy outlives the lab.

        Args:
            **policy: those words of `Lab.submit` that are to change, the others stay: description, retries, time_limit,
                priority, max_concurrency, max_failures, capture, grow, num_cpus, num_gpus, memory, resources (all the
                custom ones), ray_remote_args, units (of the columns that are named; None takes one's away), notify (who
                is told from now on; None leaves it to the lab, `[]` tells nobody).

        Raises:
            DesignError: a word is none of these (another runtime_env is another version of the code), or its value
                cannot be used.
            SweepLocked: the sweep is locked, or was set aside.
            SweepNotFound: it was replaced meanwhile.

        Example:
            >>> sweep.change(priority=10, max_failures=0.05, memory=4e9)    # doctest: +SKIP
        """
        for remark in self._client.change(self._handle, policy):
            say(remark)

    def pause(self) -> None:
        """Let it stand still until `resume`, also over restarts of the lab. No trial begins any more; what runs ends by
        itself and is recorded. Nothing happens to a sweep that stands still already, or has nothing left.

        Raises:
            SweepLocked: the sweep is locked, or was set aside.
        """
        self._client.pause(self._handle)

    def resume(self) -> None:
        """Let it go on, whether it was paused by a person, has paused itself, or was cancelled. Failures count anew,
        and an environment that could not be built is tried again at once.

        Raises:
            SweepLocked: the sweep was set aside for another one of its name.
        """
        self._client.resume(self._handle)

    def cancel(self) -> int:
        """Give up what is not recorded, by force; returns how many trials that is. `resume` or submitting again goes
        on."""
        return self._client.cancel(self._handle)

    def lock(self) -> None:
        """Let the sweep take no change any more: no cancel, no pause, no other policy, no other sweep in its place."""
        self._client.lock(self._handle)

    def archive(self, *, undo: bool = False) -> None:
        """Hide the sweep, or show it again; see `Lab.archive`."""
        self._client.archive(self._handle, undo)

    def remove(self) -> None:
        """Delete the sweep for good, with its rows; see `Lab.remove`. Once it is gone, this does nothing."""
        self._client.remove(self._handle)

    def _card(self) -> Bundle:
        return sweep_card(self._client, self._handle)

    def __str__(self) -> str:
        """Its card as text, as far as the lab answers within 5 s; `repr` asks nobody."""
        return self._card().text

    def __repr__(self) -> str:
        return f"<Sweep {self.name!r} of lab {self._client.name!r}>"
