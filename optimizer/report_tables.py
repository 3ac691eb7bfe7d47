"""What a report says of a run in detail: limits and prices, time to the first token, data centers, assumptions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from optimizer.map_style import PALETTE, format_amount
from optimizer.number_text import spell_million, spell_number, spell_percent
from optimizer.price_table import LEAST_VALUE_CNY
from optimizer.report_charts import Chart, Table, bars
from optimizer.report_data import ReportData
from optimizer.report_sections import MILLION_CNY, words
from optimizer.results import describe_limits
from optimizer.run_text import LATENCY_COLUMNS, limited_classes
from optimizer.units import TOKENS_PER_MTOK

# Keys of a scenario that other parts of the page tell, or that are no assumption.
_TOLD_ELSEWHERE = {
    "name", "description", "extends", "workload_classes", "profiles", "workloads", "price_series", "source_path",
    "file_hashes", "overrides", "workloads_path", "drop_classes",
}  # fmt: skip


def limits_chart(data: ReportData) -> Chart | None:
    """
    Draw what each kind of limit is worth at the margin; None where no limit has a price.

    Parameters
    ----------
    data
        The run.
    """
    limits = {name: cny for name, cny in (data.info.get("limit_values_cny_per_year") or {}).items() if cny}
    if not limits:
        return None
    about = "What the plan would save a year if each limit vanished at its present price."
    name = ("limits-chart", "Limits that made the difference", about)
    values = {name[:1].upper() + name[1:]: cny for name, cny in limits.items()}
    return bars(
        name, values, lambda cny: f"{spell_million(cny)} {MILLION_CNY}", PALETTE[2], ("Limit", "Worth at the margin")
    )


def limits_line(data: ReportData) -> str:
    """
    Name the limits that made the difference in one sentence.

    Parameters
    ----------
    data
        The run.
    """
    return f"Limits that made the difference: {describe_limits(data.info.get('limit_values_cny_per_year') or {})}."


def price_sentences(data: ReportData) -> tuple[list[str], int]:
    """
    Say what one more step of each limit is worth.

    Parameters
    ----------
    data
        The run.

    Returns
    -------
    tuple
        The sentences, dearest first, and the number of limits of which more is worth nothing.
    """
    table = _shadow_prices(data)
    limits = table[table["kind"] != "token"]
    worth = limits[limits["value"].abs() >= LEAST_VALUE_CNY].sort_values("value", ascending=False, kind="stable")
    return [f"{text[:1].upper()}{text[1:]}." for text in worth["sentence"].astype(str)], len(limits) - len(worth)


def token_table(data: ReportData) -> Table | None:
    """
    List what a million tokens more of each class cost; None where that was not computed.

    Parameters
    ----------
    data
        The run.
    """
    table = _shadow_prices(data)
    by_class = table[(table["kind"] == "token") & ~table["id"].astype(str).str.contains("/")]
    if by_class.empty:
        return None
    ordered = by_class.sort_values("value", ascending=False, kind="stable")
    rows = [(words(str(name)), f"{value:.4f}") for name, value in zip(ordered["id"], ordered["value"], strict=True)]
    return Table(("Workload class", "CNY per million tokens more"), rows)


def _shadow_prices(data: ReportData) -> pd.DataFrame:
    table = data.stored.tables.get("shadow_prices")
    return pd.DataFrame(columns=["kind", "id", "value", "sentence"]) if table is None else table


def latency_table(data: ReportData) -> Table | None:
    """
    List where the time to the first token goes; None where no class has a limit.

    Parameters
    ----------
    data
        The run.
    """
    table = data.stored.tables.get("latency")
    if table is None:
        return None
    rows = [
        (words(str(row["workload_class"])), *(spell_number(float(row[column])) for column in LATENCY_COLUMNS.values()))
        for row in limited_classes(table).to_dict("records")
    ]
    return Table(("First token, ms", *LATENCY_COLUMNS), rows) if rows else None


def center_table(data: ReportData) -> Table:
    """
    List the data centers: tokens, power, price, pods, and what each costs.

    Parameters
    ----------
    data
        The run.
    """
    centers = data.stored.tables["data_centers"].sort_values("mtok_per_year", ascending=False, kind="stable")
    rows = []
    for row in centers.to_dict("records"):
        tokens = format_amount(row["mtok_per_year"] * TOKENS_PER_MTOK / data.tables.days_per_year)
        pods = f"{row.get('existing_pods', 0):,.0f} + {row.get('new_pods', 0):,.0f}"
        numbers = (row.get(name) for name in ("peak_it_power_mw", "mean_price_cny_per_mwh", "mean_rtt_ms"))
        cost = sum(value for name, value in row.items() if str(name).endswith("_cny_per_year") and value == value)  # noqa: PLR0124 - not NaN
        rows.append(
            (str(row["name"]), str(row["region"]), tokens if row["is_open"] else "not used", pods,
             *(spell_number(math.nan if value is None else float(value)) for value in numbers), spell_million(cost),
             str(row.get("confidence", "")))
        )  # fmt: skip
    columns = (
        "Data center", "region", "tokens a day", "pods there + new", "peak IT power, MW", "mean price, CNY/MWh",
        "mean RTT, ms", "million CNY a year", "confidence",
    )  # fmt: skip
    return Table(columns, rows, words=(0, 1, 8))


def assumption_table(data: ReportData) -> Table | None:
    """
    List the keys of the scenario; None without the inputs.

    Parameters
    ----------
    data
        The run.
    """
    if data.inputs is None:
        return None
    keys = {name: value for name, value in data.inputs.scenario.model_dump().items() if name not in _TOLD_ELSEWHERE}
    return Table(("Key of the scenario", "value"), [(key, _spell(value)) for key, value in _flat(keys)], words=(0, 1))


def class_table(data: ReportData) -> Table | None:
    """
    List what is assumed of each workload class; None without the inputs.

    Parameters
    ----------
    data
        The run.
    """
    if data.inputs is None:
        return None
    columns = {
        "share of tokens": "share_of_tokens", "input tokens": "input_tokens", "output tokens": "output_tokens",
        "RTT limit, ms": "rtt_limit_ms", "first token, ms": "ttft_limit_ms", "may wait, h": "deferrable_h",
        "CNY per million tokens": "token_price_cny_per_mtok", "residency": "residency", "confidence": "confidence",
        "source": "source",
    }  # fmt: skip
    rows = []
    for name, told in data.inputs.scenario.workload_classes.items():
        values = told.model_dump()
        rows.append((f"{values['name']} ({name})", *(_spell(values.get(column)) for column in columns.values())))
    return Table(("Workload class", *columns), rows, words=(0, 8, 9, 10)) if rows else None


def source_table(data: ReportData) -> Table | None:
    """
    List where the figures of the data centers come from; None without the inputs.

    Parameters
    ----------
    data
        The run.
    """
    if data.inputs is None:
        return None
    centers = data.inputs.network.data_centers
    columns = ["name", "it_capacity_mw", "pue", "tariff", "confidence", "source"]
    rows = [tuple(_spell(value) for value in row) for row in centers[columns].itertuples(index=False)]
    return Table(("Data center", "IT capacity, MW", "PUE", "tariff", "confidence", "source"), rows, words=(0, 3, 4, 5))


def confidence_sentence(data: ReportData) -> str:
    """
    Say how much of the cost rests on estimates.

    Parameters
    ----------
    data
        The run.
    """
    share = (data.summary.get("estimate_share") or {}).get("total")
    if share is None:
        return "How much of the cost rests on estimates was not worked out for this run."
    return (
        f"{spell_percent(share, 0)} of the cost rests on estimates: on rows of the input whose price is marked as an "
        "estimate, or not marked. The rest is official or reported. Quantities, such as the demand of a metro, are not "
        "judged here."
    )


def version_line(data: ReportData) -> str:
    """
    Name the versions and the method in one sentence.

    Parameters
    ----------
    data
        The run.
    """
    versions = ", ".join(f"{name} {_spell(number)}" for name, number in (data.info.get("versions") or {}).items())
    seconds = sum((data.info.get("seconds") or {}).values())
    return f"Solved in {seconds:,.0f} s by the method {data.info.get('method', '')}. {versions}.".strip()


def version_table(data: ReportData) -> Table:
    """
    List the versions, how the solve ended, and the files the run was made from.

    Parameters
    ----------
    data
        The run.
    """
    info = data.info
    rows = [("Finished", str(info.get("finished_utc", ""))), ("Method", str(info.get("method", "")))]
    rows += [(f"Seconds: {words(str(name))}", f"{value:,.1f}") for name, value in (info.get("seconds") or {}).items()]
    rows += [(f"Option {name}", _spell(value)) for name, value in (info.get("options") or {}).items()]
    rows += [("Changed key", str(text)) for text in info["scenario"].get("overrides") or ()]
    rows += [(f"Version of {name}", _spell(value)) for name, value in (info.get("versions") or {}).items()]
    for part in ("scenario", "network"):
        rows += [(f"SHA-256 of {name}", str(value)) for name, value in (info[part].get("file_hashes") or {}).items()]
    return Table(("What", "value"), rows, words=(0, 1))


def _flat(keys: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in keys.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        elif value is not None and value not in ({}, ()):
            yield f"{before}{name}", value


def _spell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_spell, value))
    return str(value)
