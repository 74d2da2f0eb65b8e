"""Site percolation on square lattices, as a sweep that outlives the process that asked for it.

Each site of an L × L lattice is occupied with probability p. Does a cluster of neighbours reach from the top to the
bottom? Below the threshold p_c hardly ever, above it nearly always, and the larger the lattice, the sharper the change.

    python examples/percolation.py           the whole story, each step in a process of its own
    python examples/percolation.py submit    attach to the lab by name, submit the sweep, end
    python examples/percolation.py look      attach by name, later: draw what is in, wait for the rest, draw again

The pictures are `percolation-so-far.png` and `percolation.png` in the current folder. The results stay in the lab's
notebook, so a second run finds the sweep and shows it at once; `--seed 2` takes another sample, as a sweep of its own.

Without `--address` or RAY_ADDRESS the whole story uses the cluster that `raylab start` started. If there is none it
starts one in the background, and ends it afterwards.
"""

# ruff: noqa: N803, N806 (everybody calls the size of a lattice L)

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

import raylab
from raylab.terminal import background

KNOWN = 0.592746
"""The threshold of site percolation on the square lattice (Ziff, Phys. Rev. Lett. 69, 2670, 1992), to six digits."""


# -- the experiment: a plain function


def percolation(p: float, L: int, rng: np.random.Generator) -> dict[str, object]:
    """One lattice: does it span, how large is its largest cluster, how many clusters has it?"""
    labels, clusters = ndimage.label(rng.random((L, L)) < p)
    sizes = np.bincount(labels.ravel())[1:]  # the first counts the empty sites
    through = np.intersect1d(labels[0], labels[-1])
    return {"spans": bool(through.any()), "largest": sizes.max(initial=0) / L**2, "clusters": clusters}


# -- the two processes


def submit(options: argparse.Namespace) -> None:
    """Attach, submit, end. Nothing here waits for a result."""
    lab = raylab.Lab(options.lab, address=options.address)
    design = raylab.Factorial(L=options.sizes, p=np.linspace(options.low, options.high, options.levels))
    sweep = lab.submit(percolation, design, name=options.sweep, repeats=options.repeats, seed=options.seed)
    trials = f"{design.size:,} points × {options.repeats} repeats = {sweep.progress().total:,} trials"
    print(f"sweep {sweep.name!r}: {trials}, written down in {lab.info()['notebook']}")


def look(options: argparse.Namespace) -> None:
    """Attach by name, draw what is in, wait for the rest, draw again."""
    lab = raylab.Lab(options.lab, address=options.address, create=False)
    sweep = lab.sweep(options.sweep)
    print(f"{sweep.ready_fraction():.0%} ready, {sweep.number_of_results():,} results so far")
    draw(sweep, Path("percolation-so-far.png"))
    if not sweep.wait():
        sys.exit("the sweep stands still, see above")
    estimate = draw(sweep, Path("percolation.png"))
    print()
    print(f"estimated p_c = {estimate}" if estimate else "too few lattices for an estimate of p_c")
    print(f"known     p_c = {KNOWN:.5f}")


# -- from the results to the threshold


class Half(NamedTuple):
    """Where half of the lattices of one size span, with its standard error, and over which width that changes."""

    L: int
    p: float
    error: float
    width: float


class Threshold(NamedTuple):
    """The estimate for infinite lattices, with its standard error, and how finite ones differ from it."""

    p: float
    error: float
    shift: float

    def at(self, L: float | NDArray[np.float64]) -> Any:
        """Where half of the lattices of size L are to be expected to span.

        At p_c the share that spans is 1/2 + O(1/L) (Ziff 1992), and its slope there grows as L^(3/4).
        """
        return self.p + self.shift * L ** (-7 / 4)

    def __str__(self) -> str:
        off = (self.p - KNOWN) / self.error
        side = "above" if off > 0 else "below"
        return f"{self.p:.5f} ± {self.error:.5f}   ({abs(off):.1f} standard errors {side} the known value)"


def half(L: int, p: NDArray[np.float64], spans: NDArray[np.float64]) -> Half | None:
    """Fit 1 / (1 + exp(-(p - half) / width)) to single lattices, by maximum likelihood (Newton's method).

    The true curve is another one, but like this one symmetric about its middle to leading order, and only the middle
    is used. None if there are too few lattices on one side of it.
    """
    if min(spans.sum(), (1 - spans).sum()) < 10:
        return None
    centre, scale = p.mean(), p.std()
    columns = np.stack([np.ones_like(p), (p - centre) / scale], axis=1)
    a = np.zeros(2)
    for _ in range(50):
        chance = expit(columns @ a)
        information = (columns.T * (chance * (1 - chance))) @ columns
        step = np.linalg.solve(information, columns.T @ (spans - chance))
        a += np.clip(step, -2, 2)  # far from the solution Newton's step can be far too long
        if np.abs(step).max() < 1e-9:
            break
    if a[1] <= 0:
        return None
    gradient = np.array([-1, a[0] / a[1]]) / a[1]  # of the middle, -a[0] / a[1]
    error = np.sqrt(gradient @ np.linalg.inv(information) @ gradient)
    return Half(L, float(centre - scale * a[0] / a[1]), float(scale * error), float(scale / a[1]))


def threshold(halves: list[Half]) -> Threshold | None:
    """Extrapolate to infinite lattices: a straight line over L^(-7/4), weighted by the errors. None from one size."""
    if len(halves) < 2:
        return None
    columns = np.array([[1.0, each.L ** (-7 / 4)] for each in halves])
    weighted = columns.T * np.array([each.error**-2 for each in halves])
    covariance = np.linalg.inv(weighted @ columns)
    p, shift = covariance @ weighted @ np.array([each.p for each in halves])
    return Threshold(float(p), float(np.sqrt(covariance[0, 0])), float(shift))


def fit(results: pl.DataFrame) -> list[Half]:
    """Where half of the lattices span, for each size with enough of them."""
    found = []
    for L in results["L"].unique().sort():
        rows = results.filter(pl.col("L") == L)
        found.append(half(L, rows["p"].to_numpy(), rows["spans"].cast(pl.Float64).to_numpy()))
    return [each for each in found if each is not None]


# -- the picture

INK, PALE, MARK = "#2b2b33", "#c9c9d1", "#c8442f"
STYLE = {
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": PALE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.alpha": 0.35,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(sweep: raylab.Sweep, path: Path) -> Threshold | None:
    """Draw whatever is in; return the estimate, if that is enough for one."""
    progress = sweep.progress()
    results = sweep.results()
    if results.is_empty():
        print("nothing to draw yet")
        return None
    halves = fit(results)
    estimate = threshold(halves)
    sizes = sorted(sweep.design.axis("L"))
    colours = dict(zip(sizes, matplotlib.colormaps["viridis_r"](np.linspace(0.22, 0.95, len(sizes))), strict=True))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 5.8), dpi=150)
        left, right = figure.subplots(1, 2, width_ratios=[1.75, 1])
        figure.subplots_adjust(left=0.06, right=0.985, top=0.8, bottom=0.11, wspace=0.26)
        draw_title(figure, progress)
        draw_shares(left, results, halves, colours)
        draw_halves(right, halves, estimate, colours)
        figure.savefig(path)
    print(f"drew {results.height:,} lattices in {path}")
    return estimate


def draw_title(figure: Figure, progress: raylab.Progress) -> None:
    """The title, and a line as long as the share of the sweep that the picture is made of."""
    figure.text(0.06, 0.93, "Site percolation on the square lattice", fontsize=16, weight="bold")
    words = f"{progress.ready:,} of {progress.total:,} lattices ({progress.ready_fraction:.0%})"
    figure.text(0.985, 0.93, words, ha="right", fontsize=12)
    for share, colour in ((1.0, PALE), (progress.ready_fraction, INK)):
        end = 0.06 + (0.985 - 0.06) * share
        figure.add_artist(matplotlib.lines.Line2D([0.06, end], [0.9, 0.9], color=colour, lw=3, solid_capstyle="butt"))


def binned(results: pl.DataFrame, bins: int = 26) -> pl.DataFrame:
    """The share of lattices that span, with its standard error, for each size and each of some intervals of p."""
    low, high = results["p"].min(), results["p"].max()
    spread = pl.max_horizontal((pl.lit(high) - low), 1e-12)
    return (
        results.with_columns(bin=((pl.col("p") - low) / spread * bins).floor().clip(0, bins - 1))
        .group_by("L", "bin")
        .agg(pl.col("p").mean(), n=pl.len(), k=pl.col("spans").sum())
        # Mean and deviation of Beta(k + 1/2, n - k + 1/2): that none of five spans does not make the share 0 ± 0.
        .with_columns(share=(pl.col("k") + 0.5) / (pl.col("n") + 1))
        .with_columns(error=(pl.col("share") * (1 - pl.col("share")) / (pl.col("n") + 2)).sqrt())
        .sort("p")
    )


def draw_shares(axes: Axes, results: pl.DataFrame, halves: list[Half], colours: Mapping[int, Any]) -> None:
    """The share of lattices that span, against p: points with error bars and the fitted curve for each size."""
    axes.axvline(KNOWN, color=MARK, lw=1.2, ls=(0, (4, 3)))
    axes.text(KNOWN, 1.045, f"  known $p_c$ = {KNOWN}", color=MARK, va="bottom")
    fits = {each.L: each for each in halves}
    shares = binned(results)
    p = np.linspace(shares["p"].min() or 0, shares["p"].max() or 1, 400)
    for L, colour in colours.items():
        rows = shares.filter(pl.col("L") == L)
        points = {"fmt": "o", "ms": 5, "lw": 1.1, "color": colour, "mec": "white", "mew": 0.6, "zorder": 3}
        axes.errorbar(rows["p"], rows["share"], rows["error"], label=f"{L} × {L}", **points)
        if L in fits:
            axes.plot(p, expit((p - fits[L].p) / fits[L].width), color=colour, lw=1.7, alpha=0.75, zorder=2)
    axes.set(xlabel="probability $p$ that a site is occupied", ylabel="share of lattices that span", ylim=(-0.04, 1.04))
    axes.legend(title="lattice", frameon=False, loc="upper left", alignment="left")


def draw_halves(axes: Axes, halves: list[Half], estimate: Threshold | None, colours: Mapping[int, Any]) -> None:
    """Where half of the lattices span, against their size, and what that makes for infinite ones."""
    axes.axhline(KNOWN, color=MARK, lw=1.2, ls=(0, (4, 3)))
    bars = {"capsize": 3, "mec": "white", "mew": 0.6, "zorder": 3}
    for each in halves:
        axes.errorbar(each.L**-0.75, each.p, each.error, fmt="o", ms=7, color=colours[each.L], **bars)
    axes.set_xticks([0.0, *(L**-0.75 for L in colours)], ["∞", *map(str, colours)])
    axes.set(xlabel="size of the lattice, $L$", ylabel="$p$ at which half of them span", xlim=(-0.004, None))
    if estimate is None:
        axes.set_title("too few for an estimate", loc="left", fontsize=12)
        return
    sizes = np.geomspace(min(colours), 100 * max(colours), 300)
    axes.plot(sizes**-0.75, estimate.at(sizes), color=INK, lw=1.1, alpha=0.6, zorder=2)
    axes.errorbar(0, estimate.p, estimate.error, fmt="D", ms=7, color=INK, clip_on=False, **bars)
    axes.set_title(f"estimated $p_c$ = {estimate.p:.5f} ± {estimate.error:.5f}", loc="left", fontsize=12)


# -- the whole story


def story(options: argparse.Namespace) -> None:
    """Each step in a process of its own, so that nothing but the lab carries over."""
    with some_cluster(options.address) as address:
        tell("One process attaches to the lab by name, submits, and ends.")
        step("submit", address)
        tell(f"The laptop is closed: for {options.away:g} seconds no process is attached. The lab goes on.")
        time.sleep(options.away)
        tell("Another process attaches by name.")
        step("look", address)


@contextmanager
def some_cluster(address: str | None) -> Iterator[str]:
    """The address of the cluster to use. One is started in the background if there is none, and ended afterwards."""
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        yield address
        return
    # Beside whatever else runs on this machine: free ports, and a folder of its own for Ray's logs and sockets.
    with tempfile.TemporaryDirectory(prefix="raylab-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster, new = background.start(temp_dir=folder)
        tell(f"A Ray cluster runs in the background{', started just now' if new else ''}: {cluster.address}")
        try:
            yield cluster.address
        finally:
            if new:
                background.stop()
                tell("The cluster has ended. The notebook is there; run this again, and the results are in at once.")


def step(command: str, address: str) -> None:
    """Run this script again, with the same options, as another process."""
    words = [sys.executable, __file__, *sys.argv[1:], f"--address={address}", command]
    if code := subprocess.run(words, check=False).returncode:
        sys.exit(code)


def tell(text: str) -> None:
    """What happens next, for whoever watches."""
    print(f"\n== {text}", flush=True)


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=("submit", "look"), help="one step; the whole story if left out")
    parser.add_argument("--address", help="the Ray cluster's")
    parser.add_argument("--lab", default="percolation", help="the lab's name")
    parser.add_argument("--seed", type=int, default=1, help="the sweep's")
    parser.add_argument("--sweep", help="the sweep's name; seed-SEED if left out")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256, 512], metavar="L", help="of lattices")
    parser.add_argument("--low", type=float, default=0.54, help="the lowest p")
    parser.add_argument("--high", type=float, default=0.65, help="the highest p")
    parser.add_argument("--levels", type=int, default=1001, help="how many p there are")
    parser.add_argument("--repeats", type=int, default=8, help="how many lattices each point gets")
    parser.add_argument("--away", type=float, default=10, help="seconds between submitting and looking")
    options = parser.parse_args()
    options.sweep = options.sweep or f"seed-{options.seed}"
    return options


if __name__ == "__main__":
    OPTIONS = arguments()
    {"submit": submit, "look": look, None: story}[OPTIONS.command](OPTIONS)
