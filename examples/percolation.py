"""Site percolation on square lattices, as a sweep that outlives the process that asked for it.

Each site of an L x L lattice is occupied with probability p. Does a cluster of neighbours reach from the top to the
bottom? Below the threshold p_c hardly ever, above it nearly always, and the larger the lattice, the sharper the change.

    python examples/percolation.py           the whole story, each step in a process of its own
    python examples/percolation.py submit    attach to the lab by name, submit the sweep, end
    python examples/percolation.py look      attach by name, later: draw what is in, wait for the rest, draw again

The pictures are `percolation-so-far.png` and `percolation.png` in the current folder. The results stay in the lab's
notebook: a second run finds the sweep and shows it at once. `--fresh` begins another one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

import raylab

KNOWN = 0.592746
"""The threshold of site percolation on the square lattice, to six digits (Ziff, Phys. Rev. Lett. 69, 2670, 1992)."""

SHIFT = -7 / 4
"""How the p at which half of the lattices span goes to p_c with L: the spanning probability at p_c is 1/2 + O(1/L)
(Ziff 1992), its slope there grows as L^(3/4)."""


# -- the experiment: a plain function ------------------------------------------------------------------------------


def percolation(p: float, L: int, rng: np.random.Generator) -> dict[str, object]:
    """One lattice: does it span, how large is its largest cluster, how many clusters has it?"""
    labels, clusters = ndimage.label(rng.random((L, L)) < p)
    sizes = np.bincount(labels.ravel())[1:]  # the first counts the empty sites
    through = np.intersect1d(labels[0], labels[-1])
    return {"spans": bool(through.any()), "largest": sizes.max(initial=0) / L**2, "clusters": clusters}


# -- the two processes ---------------------------------------------------------------------------------------------


def submit(options: argparse.Namespace) -> None:
    """Attach, submit, end. Nothing here waits for a result."""
    lab = raylab.Lab(options.lab, address=options.address)
    design = raylab.Factorial(L=options.sizes, p=np.linspace(options.low, options.high, options.levels))
    sweep = lab.submit(percolation, design, name=options.sweep, repeats=options.repeats, seed=1)
    print(f"{sweep.name}: {design.size:,} points x {options.repeats} repeats = {sweep.progress().total:,} trials")
    print(f"they are in the notebook {lab.info()['notebook']}; this process is not needed any more")


def look(options: argparse.Namespace) -> None:
    """Attach by name, draw what is in, wait for the rest, draw again."""
    lab = raylab.Lab(options.lab, address=options.address, create=False)
    sweep = lab.sweep(options.sweep)
    print(f"{sweep.ready_fraction():.0%} ready, {sweep.number_of_results():,} results are in")
    draw(sweep, Path("percolation-so-far.png"))
    if not sweep.wait():
        sys.exit("the sweep stands still; `raylab status` says more")
    estimate = draw(sweep, Path("percolation.png"))
    print(estimate or "too few lattices for an estimate of the threshold")
    print(f"known      p_c = {KNOWN:.4f}")


# -- from the results to the threshold -----------------------------------------------------------------------------


class Half(NamedTuple):
    """Where half of the lattices of one size span."""

    L: int
    p: float
    error: float
    width: float


class Threshold(NamedTuple):
    """The estimate for infinite lattices."""

    p: float
    error: float
    slope: float

    def __str__(self) -> str:
        off = abs(self.p - KNOWN) / self.error
        return (
            f"estimated  p_c = {self.p:.4f} +- {self.error:.4f}   (one standard error, of chance alone; "
            f"{off:.1f} of them from the known value)"
        )


def half(L: int, p: NDArray[np.float64], spans: NDArray[np.float64]) -> Half | None:
    """Fit 1 / (1 + exp(-(p - half) / width)) to single lattices, by maximum likelihood (Newton's method).

    The true curve is not quite this one, but like it symmetric about its middle to leading order, and only the middle
    is used. None if there are too few lattices on either side of it.
    """
    if min(spans.sum(), (1 - spans).sum()) < 10:
        return None
    x = (p - p.mean()) / p.std()
    columns = np.stack([np.ones_like(x), x], axis=1)
    a = np.zeros(2)
    for _ in range(50):
        chance = expit(columns @ a)
        information = (columns.T * (chance * (1 - chance))) @ columns
        step = np.linalg.solve(information, columns.T @ (spans - chance))
        a += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    if a[1] <= 0:
        return None
    covariance = np.linalg.inv(information)
    gradient = np.array([-1 / a[1], a[0] / a[1] ** 2])  # of the middle, -a0 / a1
    error = float(np.sqrt(gradient @ covariance @ gradient)) * p.std()
    return Half(L, float(p.mean() - a[0] / a[1] * p.std()), error, float(p.std() / a[1]))


def threshold(halves: list[Half]) -> Threshold | None:
    """Extrapolate to infinite lattices: a straight line through the halves over L^(-7/4), weighted by their errors."""
    if len(halves) < 2:
        return None
    x = np.array([each.L**SHIFT for each in halves])
    weights = np.array([each.error**-2.0 for each in halves])
    columns = np.stack([np.ones_like(x), x], axis=1)
    covariance = np.linalg.inv((columns.T * weights) @ columns)
    p, slope = covariance @ (columns.T * weights) @ np.array([each.p for each in halves])
    return Threshold(float(p), float(np.sqrt(covariance[0, 0])), float(slope))


# -- the picture ---------------------------------------------------------------------------------------------------

INK, FAINT, MARK = "#2b2b33", "#b9b9c3", "#c8442f"


def draw(sweep: raylab.Sweep, path: Path) -> Threshold | None:
    """Draw what is in so far; return the estimate, if there is enough for one."""
    import matplotlib.pyplot as plt

    results = sweep.results()
    progress = sweep.progress()
    fitted = [fit for (L,), rows in results.group_by("L", maintain_order=True) if (fit := _half_of(int(L), rows))]
    halves = sorted(fitted)
    estimate = threshold(halves)
    style = {"font.size": 11, "axes.edgecolor": FAINT, "text.color": INK, "axes.labelcolor": INK, "axes.linewidth": 0.8}
    style |= {"xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False}
    with plt.rc_context(style):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(12, 5.4), width_ratios=[1.75, 1], layout="constrained", dpi=150
        )
        sizes = sorted(sweep.design.levels("L"))
        colours = dict(zip(sizes, plt.get_cmap("viridis_r")(np.linspace(0.22, 0.95, len(sizes))), strict=True))
        _spanning(left, results, halves, colours)
        _thresholds(right, halves, estimate, colours)
        figure.suptitle("Site percolation on the square lattice", x=0.01, ha="left", fontsize=15, weight="bold")
        share = f"{progress.ready:,} of {progress.total:,} lattices ({progress.ready_fraction:.0%})"
        figure.text(0.99, 0.955, share, ha="right", color=INK if progress.ready_fraction == 1 else MARK, fontsize=12)
        figure.savefig(path)
        plt.close(figure)
    print(f"drew {results.height:,} lattices in {path}")
    return estimate


def _half_of(L: int, rows: pl.DataFrame) -> Half | None:
    return half(L, rows["p"].to_numpy(), rows["spans"].cast(pl.Float64).to_numpy())


def _spanning(axes, results: pl.DataFrame, halves: list[Half], colours) -> None:  # type: ignore[no-untyped-def]
    """The share of lattices that span against p: a curve for each size, points with error bars."""
    low, high = results["p"].min(), results["p"].max()
    bins = 26
    spanning = (
        results.with_columns(bin=((pl.col("p") - low) / (high - low) * bins).floor().clip(0, bins - 1))
        .group_by("L", "bin")
        .agg(p=pl.col("p").mean(), n=pl.len(), k=pl.col("spans").sum())
        # The mean and standard deviation of a Beta(k + 1/2, n - k + 1/2): a share of 0 of 5 is not known without error.
        .with_columns(share=(pl.col("k") + 0.5) / (pl.col("n") + 1))
        .with_columns(error=(pl.col("share") * (1 - pl.col("share")) / (pl.col("n") + 2)).sqrt())
        .sort("p")
    )
    axes.axvline(KNOWN, color=MARK, lw=1.2, ls=(0, (4, 3)), zorder=1)
    axes.annotate(f"known $p_c$ = {KNOWN}", (KNOWN, 1.03), xytext=(6, 0), textcoords="offset points", color=MARK, va="center")
    p = np.linspace(low, high, 400)
    fits = {each.L: each for each in halves}
    for L, colour in colours.items():
        rows = spanning.filter(pl.col("L") == L)
        axes.errorbar(
            rows["p"], rows["share"], rows["error"], fmt="o", ms=4.2, lw=1, color=colour, mec="white", mew=0.5, label=f"{L} x {L}", zorder=3
        )
        if L in fits:
            axes.plot(p, expit((p - fits[L].p) / fits[L].width), color=colour, lw=1.6, alpha=0.75, zorder=2)
    axes.set(xlabel="probability $p$ that a site is occupied", ylabel="share of lattices that span", ylim=(-0.03, 1.06))
    axes.grid(color=FAINT, alpha=0.35, lw=0.6)
    axes.legend(title="lattice", frameon=False, loc="upper left", bbox_to_anchor=(0.01, 0.98))


def _thresholds(axes, halves: list[Half], estimate: Threshold | None, colours) -> None:  # type: ignore[no-untyped-def]
    """Where half of the lattices span, by size, and the line to infinite size."""
    axes.axhline(KNOWN, color=MARK, lw=1.2, ls=(0, (4, 3)), zorder=1)
    for each in halves:
        axes.errorbar(
            each.L**SHIFT, each.p, each.error, fmt="o", ms=6, capsize=3, color=colours[each.L], mec="white", mew=0.6, zorder=3
        )
    axes.set(xlabel="$L^{-7/4}$   (0 is the infinite lattice)", ylabel="$p$ at which half of them span")
    axes.grid(color=FAINT, alpha=0.35, lw=0.6)
    axes.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
    if estimate is None:
        axes.set_title("too few for an estimate yet", loc="left", fontsize=11, color=INK)
        return
    x = np.array([0.0, max(each.L for each in halves) ** SHIFT, min(each.L for each in halves) ** SHIFT * 1.08])
    axes.plot(x, estimate.p + estimate.slope * x, color=INK, lw=1, alpha=0.6, zorder=2)
    axes.errorbar(0, estimate.p, estimate.error, fmt="D", ms=6.5, capsize=4, color=INK, mec="white", mew=0.6, zorder=4)
    axes.set_title(f"estimated  $p_c$ = {estimate.p:.4f} ± {estimate.error:.4f}", loc="left", fontsize=12, color=INK)


# -- the whole story -----------------------------------------------------------------------------------------------


def story(options: argparse.Namespace) -> None:
    """Each step in a process of its own, so that nothing but the lab carries over."""
    with a_cluster(options.address):
        tell("One process attaches to the lab by name, submits, and ends.")
        step("submit")
        tell(f"The laptop is closed: for {options.away:.0f} s no process of ours is attached. The lab works on.")
        time.sleep(options.away)
        tell("Another process attaches by name.")
        step("look")


@contextmanager
def a_cluster(address: str | None) -> Iterator[None]:
    """Start a Ray cluster that stays in the background, unless there is one; end what was started."""
    yield


def step(command: str) -> None:
    """Run this script again, with the same options, as another process."""
    done = subprocess.run([sys.executable, __file__, *sys.argv[1:], command], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def tell(text: str) -> None:
    print(f"\n== {text}", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=("story", "submit", "look"), default="story")
    parser.add_argument("--address", help="of the Ray cluster; the one on this machine if left out")
    parser.add_argument("--lab", default="percolation", help="the lab's name")
    parser.add_argument("--sweep", default="threshold", help="the sweep's name")
    parser.add_argument("--fresh", action="store_true", help="a new sweep, named after the time")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256, 512], metavar="L", help="lattice sizes")
    parser.add_argument("--low", type=float, default=0.54, help="the lowest p")
    parser.add_argument("--high", type=float, default=0.65, help="the highest p")
    parser.add_argument("--levels", type=int, default=1001, help="how many p")
    parser.add_argument("--repeats", type=int, default=16, help="lattices at each point")
    parser.add_argument("--away", type=float, default=10, help="seconds between submitting and looking")
    return parser.parse_args()


if __name__ == "__main__":
    OPTIONS = arguments()
    {"story": story, "submit": submit, "look": look}[OPTIONS.command](OPTIONS)
