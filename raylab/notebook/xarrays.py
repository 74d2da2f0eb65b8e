"""The results of a sweep for xarray. The home of xarray, which is an extra and is loaded when it is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from raylab.core.design import Design
from raylab.core.request import SweepRecord
from raylab.extras import needed
from raylab.notebook.cube import cube_of
from raylab.notebook.file import Loaded
from raylab.notebook.frames import outside


def dataset(record: SweepRecord, files: Sequence[Loaded]) -> Any:
    """The results of a sweep as an xarray.Dataset; see `Sweep.to_xarray`.

    Raises:
        DesignError: its points are too many for an array.
        ModuleNotFoundError: xarray is not installed.
    """
    with needed("xarray", extra="xarray", purpose="to_xarray()"):
        import xarray
    cube = cube_of(record, files, Design.loads(record.asked.design).parameters)
    if cube.remark:
        warnings.warn(cube.remark, stacklevel=outside())
    made = xarray.Dataset(
        {name: (each.dims, each.values, each.attrs) for name, each in cube.variables.items()},
        coords={name: (each.dims, each.values, each.attrs) for name, each in cube.coordinates.items()},
        attrs=cube.attrs,
    )
    for levels in cube.multi:
        made = made.set_xindex(levels, xarray.indexes.PandasMultiIndex)
    return made
