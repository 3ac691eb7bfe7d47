"""What is told of a run in words, in the terminal and on pages alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optimizer.map_style import format_amount
from optimizer.number_text import spell_million, spell_percent
from optimizer.solution import Termination

if TYPE_CHECKING:
    import pandas as pd

ENDED = {
    Termination.OPTIMAL: "solved within the gap",
    Termination.TIME_LIMIT: "stopped at the time limit",
    Termination.INTERRUPTED: "stopped on request",
    Termination.INFEASIBLE: "infeasible",
    Termination.STALLED: "stopped at the solver's precision",
}
# What is told of the time to the first token, by column of the table `latency`.
LATENCY_COLUMNS = {
    "limit": "ttft_limit_ms", "queue": "queue_margin_ms", "computing": "compute_ms", "way": "way_ms",
    "left": "ttft_left_ms", "RTT limit": "rtt_limit_ms", "worst RTT": "worst_rtt_ms", "mean RTT": "mean_rtt_ms",
}  # fmt: skip


def facts_of(summary: Mapping[str, Any], value: Mapping[str, float] | None) -> dict[str, str]:
    """
    Spell the numbers of a plan.

    Parameters
    ----------
    summary
        `summary` of `run.json`.
    value
        `market_value` of `run.json`.

    Returns
    -------
    dict
        What is told, to its text. Names of regions come from the input and are not escaped.
    """
    price, per_mtok = summary["mean_price_cny_per_mwh"], summary["energy_kwh_per_mtok"]
    use = f"{summary['energy_mwh_per_year']:,.0f} MWh a year at {price:.1f} CNY/MWh"
    power = (summary["peak_it_power_mw"], summary["peak_facility_power_mw"])
    emitted = (summary["carbon_t_per_year"], summary["market_carbon_t_per_year"])
    capital, invested = (spell_million(summary[name]) for name in ("capital_cny_per_year", "investment_cny"))
    rows = {
        "tokens": f"{format_amount(summary['tokens_per_day'])} a day, {summary['cny_per_mtok']:.4f} CNY per million",
        **({} if value is None else {"market value": _market_value(value)}),
        "served in": _shares(summary["region_share"]),
        "asked for in": _shares(summary["demand_region_share"]),
        "mean round trip": f"{summary['mean_rtt_ms']:.2f} ms",
        "energy": f"{use}, mean PUE {summary['mean_pue']:.3f}, {per_mtok:.4f} kWh per million tokens",
        "carbon": f"{emitted[0]:,.0f} t a year location-based, {emitted[1]:,.0f} t market-based",
        "peak power": f"{power[0]:,.1f} MW IT, {power[1]:,.1f} MW facility",
        "capital": f"{capital} million CNY a year for {summary['new_pods']:,} new pods, {invested} up front",
        "data centers": f"{summary['open_data_centers']} of {summary['data_centers']} used",
    }
    if summary["unserved_share"] > 0:
        rows["unserved"] = spell_percent(summary["unserved_share"], 3)
    return rows


def _market_value(value: Mapping[str, float]) -> str:
    """Spell what the market is said to pay, and how much of it the cost takes."""
    cny = f"{value['low_cny_per_mtok']:.3g} to {value['high_cny_per_mtok']:.3g} CNY per million"
    usd = f"{value['low_usd_per_mtok']:g} to {value['high_usd_per_mtok']:g} USD"
    shares = (spell_percent(value["cost_share_of_low"]), spell_percent(value["cost_share_of_high"]))
    return f"{cny} ({usd}); the cost is {shares[0]} to {shares[1]} of it"


def limited_classes(table: pd.DataFrame) -> pd.DataFrame:
    """
    Choose the classes that have a limit of time.

    Parameters
    ----------
    table
        Table `latency` of a run.
    """
    return table[table["ttft_limit_ms"].notna() | table["stated_rtt_limit_ms"].notna()]


def worth_of(baselines: Sequence[Mapping[str, Any]], total_cny: float) -> str:
    """
    Say what the optimization is worth against the best simple rule.

    Parameters
    ----------
    baselines
        `baselines` of `run.json`.
    total_cny
        Cost of the plan, CNY per year.
    """
    fitting = [item for item in baselines if item["is_feasible"]]
    if not fitting:
        return "None of them keeps all limits: only the optimization gives a plan."
    best = min(fitting, key=lambda item: item["total_cny_per_year"])
    saving = best["total_cny_per_year"] - total_cny
    share = saving / abs(best["total_cny_per_year"]) if best["total_cny_per_year"] else 0.0
    worth = f"{spell_million(saving)} million CNY a year ({spell_percent(share)})"
    return f"The optimization is worth {worth} against the best of them, {best['name']}."


def why_no_plan(baseline: Mapping[str, Any]) -> str:
    """
    Say why a baseline does not compare.

    Parameters
    ----------
    baseline
        One of `baselines` of `run.json` that is not feasible.
    """
    why = [f"leaves {spell_percent(baseline['unserved_share'], 2)} unserved"] if baseline["unserved_share"] > 0 else []
    return "; ".join([*why, f"breaks {', '.join(baseline['broken'])}"] if baseline["broken"] else why)


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {spell_percent(share)}" for name, share in shares.items())
