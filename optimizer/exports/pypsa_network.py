"""The power of the data centers by time slice as a network of PyPSA; needs the extra `pypsa`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from network_data.faults import Fault, InputError
from optimizer.exports.layers import metadata_table, slice_clock
from optimizer.runs.folder import NEEDS_THIS_VERSION
from optimizer.runs.run import Run


@contextmanager
def quiet_pypsa(file: str, subject: str) -> Iterator[Any]:
    """
    Import PyPSA, and keep its warnings and remarks to itself.

    Parameters
    ----------
    file, subject
        What needs it, for the fault if it is not installed.

    Yields
    ------
    module
        PyPSA.

    Raises
    ------
    InputError
        If it is not installed.
    """
    logger = logging.getLogger("pypsa")
    before = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pypsa
        except ImportError as error:
            remedy = "Install it: pip install 'edwc[pypsa]'."
            fault = Fault(file, None, None, None, "a network of PyPSA needs PyPSA", remedy)
            raise InputError([fault], subject) from error
        logger.setLevel(logging.ERROR)
        try:
            yield pypsa
        finally:
            logger.setLevel(before)


def write_pypsa(run: Run, path: Path) -> None:
    """
    Write the facility power of the data centers as a network of PyPSA, to be put on a grid.

    A bus and a load for each data center, at its place; snapshots are the time slices, on the made-up date of their day
    (day n of the run is day n of 2000), and weigh as many hours as they stand for. `n.meta["edwc"]` says of which run.

    Raises
    ------
    InputError
        If PyPSA is not installed, or the run does not store its hours.
    """
    stored = run.slice_tables["data_centers_by_slice"]
    if "facility_power_mw" not in stored:
        fault = Fault(str(run.folder), None, None, None, "does not store the power of its hours", NEEDS_THIS_VERSION)
        raise InputError([fault], "the export")
    clock = slice_clock(run.slice_tables["links_by_slice"])
    snapshots = pd.DatetimeIndex(clock["slice_begin"], name="snapshot")
    timed = stored.merge(clock[["day", "hour", "slice_begin"]], on=["day", "hour"], how="left")
    power = timed.pivot_table(index="slice_begin", columns="data_center", values="facility_power_mw", aggfunc="sum")
    centers = run.data_centers
    loads = power.reindex(index=snapshots, columns=centers.index).fillna(0.0)  # a closed data center has no rows
    facts = metadata_table(run)
    with quiet_pypsa("--to", "the export") as pypsa:
        network = pypsa.Network(name=f"edwc {run.name}")
        network.set_snapshots(snapshots)
        network.snapshot_weightings.loc[:, :] = clock["weight_h"].to_numpy(float)[:, None]
        network.add("Carrier", ["AC", "data_center"])
        x, y = centers["longitude_deg"].to_numpy(float), centers["latitude_deg"].to_numpy(float)
        network.add("Bus", centers.index, carrier="AC", x=x, y=y)
        network.add("Load", centers.index, bus=centers.index.to_numpy(str), carrier="data_center", p_set=loads)
        network.meta = {"edwc": dict(zip(facts["key"], facts["value"], strict=True))}
        network.export_to_netcdf(str(path))
