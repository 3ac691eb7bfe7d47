"""
Make an hourly series of spot prices from a table of parameters: `python -m scenarios.spot_series IN.csv OUT.parquet`.

The series is made up, by a formula with no random numbers in it, so that anyone can make it again and nobody takes it
for a record of a market. For an hour h (0 to 23) of day n (0 to 364) of the year 2025, with S the light of the sun, E
and M bumps in the evening and morning, and W a weather that comes and goes,

    S = max(0, sin(pi (h - 5.5) / 13)) x (0.75 + 0.25 cos(2 pi (n - 171) / 365))
    E = exp(-((h - 19) / 2)^2),  M = exp(-((h - 8) / 1.5)^2),  W = (sin(2 pi n / 3.7 + p) + sin(2 pi n / 9.3 + 2 p)) / 2
    g = max(0, (1 + evening (E + M / 3) - solar S (1 + weather W) - 0.15 [h < 6]) x (0.93 at weekends, else 1.03))
    price = mean x (1 - spot_share + spot_share x g / mean of g over the year),  rounded to whole CNY per MWh

where p is the number of the row, counted from 0, in radians: the weather differs from tariff to tariff. The mean over
the year is that of the table, so that the series changes when power is cheap and not how dear it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

YEAR = 2025
DECIMALS = 0
SATURDAY = 5


def spot_series(parameters: pd.DataFrame) -> pd.DataFrame:
    """
    Make the series.

    Parameters
    ----------
    parameters
        One row for each column of the series: tariff, mean_cny_per_mwh, spot_share, solar, evening, weather.

    Returns
    -------
    DataFrame
        time (hours of 2025) and the price of each tariff, CNY per MWh.
    """
    times = pd.date_range(f"{YEAR}-01-01", f"{YEAR + 1}-01-01", freq="h", inclusive="left")
    hour, day = times.hour.to_numpy(float), times.day_of_year.to_numpy(float) - 1
    sun = np.maximum(0.0, np.sin(np.pi * (hour - 5.5) / 13))
    sun = sun * (0.75 + 0.25 * np.cos(2 * np.pi * (day - 171) / 365))
    bumps = np.exp(-(((hour - 19) / 2) ** 2)) + np.exp(-(((hour - 8) / 1.5) ** 2)) / 3
    week = np.where(times.day_of_week >= SATURDAY, 0.93, 1.03)
    series: dict[str, Any] = {"time": times}
    rows: list[dict[Any, Any]] = parameters.to_dict("records")
    for number, row in enumerate(rows):
        weather = (np.sin(2 * np.pi * day / 3.7 + number) + np.sin(2 * np.pi * day / 9.3 + 2 * number)) / 2
        shape = 1 + row["evening"] * bumps - row["solar"] * sun * (1 + row["weather"] * weather) - 0.15 * (hour < 6)  # noqa: PLR2004
        shape = np.maximum(0.0, shape * week)
        price = row["mean_cny_per_mwh"] * (1 - row["spot_share"] + row["spot_share"] * shape / shape.mean())
        series[str(row["tariff"])] = price.round(DECIMALS)
    return pd.DataFrame(series)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    spot_series(pd.read_csv(source)).to_parquet(target, index=False, compression="zstd")
