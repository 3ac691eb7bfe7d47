"""What the plans of samples say together: distributions, what decides them, how often each data center is used."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from network_data.currency import in_currency
from network_data.display import short_html, short_text
from network_data.faults import FaultList
from optimizer.comparison.cases import CaseResult
from optimizer.comparison.folder import COMPARISON_FILE, read_cases, write_tables
from optimizer.comparison.tables import finite_or_nan
from optimizer.numbers import shorten
from optimizer.problem.problem import FloatArray
from optimizer.runs.folder import BASEMAP_FILE, json_ready, read_csv_table, replace_when_done
from optimizer.runs.metadata import PATH_KEYS, changed_keys, library_versions
from optimizer.runs.run import Run
from optimizer.uncertainty.figures import BOUND, COST, REGION_SHARE, Figure, figures_of, value_of
from optimizer.uncertainty.inputs import UncertainInput
from optimizer.uncertainty.samples import AGAIN
from optimizer.uncertainty.statistics import first_order_index, noise_sd, rank_indices
from optimizer.uncertainty.surrogate import fit_surrogate

QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
QUANTILE_OF = "quantile."  # begins the column of an input in the table of samples
# Below so many samples for each input a regression fits what is accident.
SAMPLES_PER_INPUT = 5
_FEW_PLANS = 2
UNCERTAINTY_FILE = "uncertainty.json"
_FORMAT, _DRAFT_PREFIX = 1, ".edwc-uncertainty-"


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """
    The results of samples of the uncertain inputs, as tables.

    Attributes
    ----------
    name
        Of the scenario.
    facts
        samples, design, seed, slices_per_day (of the samples) and slices_of_scenario, mip_rel_gap (asked for), statuses
        (how many samples ended how), idle (inputs that change nothing in this scenario), left_out (inputs whose range
        the policy of the scenario contradicts, with its key), is_noise_known (whether
        samples were solved again), mean_gap and largest_gap (reached), gap_share_of_sd (mean of cost less bound, as a
        share of the standard deviation of the cost).
    inputs
        What was varied, a row for each range: input, key, value, low, high, shape, reason, source, file, row.
    figures
        What the figures are: figure, title, unit, factor (a number divided by it is in the unit), decimals.
    samples
        A row for each sample: sample, status, reason, mip_rel_gap, then a column for each figure (NaN without a plan),
        then the quantile of each input in its distribution, `quantile.INPUT`.
    distributions
        A row for each figure, of the samples with a plan: figure, as_stated (the scenario itself, solved alike), plans,
        mean, sd, least, p05, p25, p50, p75, p95, most, noise_sd and noise_share (of the variance: what another seed of
        the solver changes).
    drivers
        A row for each figure and input: figure, input, rank_coefficient, partial_rank_correlation, is_significant (at
        5 %), first_order_index, r2 of the figure's rank regression (see `statistics`), total_index of a fitted
        polynomial and surrogate_r2, what that predicts of samples left out (see `surrogate`); the most decisive first.
    data_centers
        A row for each data center: data_center, region, used_share (share of the plans in which it serves tokens),
        mean, p05, p50 and p95 of its share of the tokens.
    results
        The result of each sample by its id, the reference and samples that were solved again among them; empty where
        tables were opened without their run folders.
    """

    name: str
    facts: Mapping[str, Any]
    inputs: pd.DataFrame
    figures: pd.DataFrame
    samples: pd.DataFrame
    distributions: pd.DataFrame
    drivers: pd.DataFrame
    data_centers: pd.DataFrame
    results: Mapping[str, CaseResult]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by the name of the file it goes to."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.type == "pd.DataFrame"}

    def figure(self, name: str) -> Figure:
        """
        Find how a figure is written.

        Parameters
        ----------
        name
            As in the tables.
        """
        row = self.figures[self.figures["figure"] == name].to_dict("records")[0]
        return Figure(name, str(row["title"]), str(row["unit"]), float(row["factor"]), int(row["decimals"]))

    def distribution(self, name: str) -> dict[str, Any]:
        """
        Find the row of a figure in `distributions`.

        Parameters
        ----------
        name
            As in the tables.
        """
        row = self.distributions[self.distributions["figure"] == name].to_dict("records")[0]
        return {str(column): value for column, value in row.items()}

    def _key_facts(self) -> dict[str, object]:
        plans = int(self.samples[COST].notna().sum())
        return {"samples": f"{len(self.samples)}, {plans} with a plan", "inputs": self.inputs["input"].nunique()}

    def __repr__(self) -> str:
        return short_text("Uncertainty", self.name, self._key_facts())

    def _repr_html_(self) -> str:
        return short_html("Uncertainty", self.name, self._key_facts())

    def to_text(self) -> str:
        """Describe the result for a reader, in lines of plain text."""
        from optimizer.text.uncertainty import describe_uncertainty

        return in_currency(describe_uncertainty(self))

    def to_folder(self, out: str | Path) -> Path:
        """
        Write every table as `NAME.csv` and the rest as `uncertainty.json`, each completely or not at all.

        Parameters
        ----------
        out
            Folder, made if need be; `open_uncertainty` opens it.
        """
        folder = Path(out)
        write_tables(folder, self.tables)
        head = {"format": _FORMAT, "name": self.name, "facts": self.facts, "versions": library_versions()}
        with replace_when_done(folder / UNCERTAINTY_FILE, draft_prefix=_DRAFT_PREFIX) as draft:
            draft.write_text(json.dumps(json_ready(head), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return folder

    def plot(self, target: str | Path) -> Path:
        """
        Draw the cost and the shares of the regions over the input that decides each.

        Parameters
        ----------
        target
            PNG or SVG file.

        Raises
        ------
        ValueError
            If fewer than two samples have a plan.
        """
        from optimizer.drawing.uncertainty import draw_fans

        return draw_fans(self, target)


def build_uncertainty(
    name: str,
    inputs: Sequence[UncertainInput],
    quantiles: FloatArray,
    results: Mapping[str, CaseResult],
    reference: str,
    facts: Mapping[str, Any],
) -> Uncertainty:
    """
    Sum up samples that are solved; their run folders must be there.

    Parameters
    ----------
    name
        Of the scenario.
    inputs, quantiles
        I inputs, and (N, I) the quantiles of the samples.
    results
        By id: of the reference, the samples in their order, and samples solved again, which end in `AGAIN`.
    reference
        Id of the reference.
    facts
        What is known of the request: samples, design, seed, slices_per_day, slices_of_scenario, mip_rel_gap, idle,
        left_out.
    """
    again = {case.removesuffix(AGAIN): result for case, result in results.items() if case.endswith(AGAIN)}
    sampled = {case: one for case, one in results.items() if case != reference and not case.endswith(AGAIN)}
    figures = figures_of(list(sampled.values()))
    samples = _sample_table(sampled, figures, inputs, quantiles)
    planned = samples[samples[COST].notna()].reset_index(drop=True)
    pairs = [(sampled[case], other) for case, other in again.items() if sampled[case].has_plan and other.has_plan]
    distributions = pd.DataFrame(
        [_distribution(figure, planned, value_of(figure, results[reference]), pairs) for figure in figures],
        columns=_DISTRIBUTION,
    )
    return Uncertainty(
        name=name,
        facts={**facts, **_facts_of(sampled, distributions), "is_noise_known": bool(pairs)},
        inputs=pd.DataFrame([_range_row(one.name, found) for one in inputs for found in one.ranges], columns=_RANGE),
        figures=pd.DataFrame([vars(figure) for figure in figures]).rename(columns={"name": "figure"}),
        samples=samples,
        distributions=distributions,
        drivers=_drivers(planned, figures, [one.name for one in inputs]),
        data_centers=_places([result for result in sampled.values() if result.has_plan]),
        results=dict(results),
    )


def is_uncertainty(folder: str | Path) -> bool:
    """
    Whether a folder holds the uncertainty of a scenario.

    Parameters
    ----------
    folder
        Any path.
    """
    return (Path(folder) / UNCERTAINTY_FILE).is_file()


def open_uncertainty(folder: str | Path) -> Uncertainty:
    """
    Open the uncertainty of a scenario that was kept.

    Parameters
    ----------
    folder
        Folder that `edwc uncertainty --out` or `Uncertainty.to_folder` wrote.

    Returns
    -------
    Uncertainty
        As it was returned.

    Raises
    ------
    InputError
        If the folder holds none, a file in it is missing or damaged, or a newer version wrote it.
    """
    path, faults = Path(folder), FaultList("the uncertainty")
    again = "Run `edwc uncertainty` with --out into this folder again: what is solved there is not solved again."
    head: dict[str, Any] = {}
    try:
        head = json.loads((path / UNCERTAINTY_FILE).read_text(encoding="utf-8"))
        head = {"name": str(head["name"]), "facts": dict(head["facts"]), "format": int(head["format"])}
    except (OSError, ValueError, KeyError, TypeError):
        faults.add(str(path / UNCERTAINTY_FILE), "is not there or cannot be read", again)
    if head.get("format", _FORMAT) > _FORMAT:
        faults.add(str(path / UNCERTAINTY_FILE), "was written by a newer version", "Take that version, or newer.")
    tables: dict[str, Any] = {}
    for name, columns in _TABLES.items():
        try:
            tables[name] = read_csv_table(path / f"{name}.csv", _TEXTS)
        except (OSError, ValueError) as error:
            faults.add(str(path / f"{name}.csv"), f"cannot be read ({type(error).__name__})", again)
            continue
        if missing := [column for column in columns if column not in tables[name]]:
            faults.add(str(path / f"{name}.csv"), f"has no column {missing[0]}", again)
    faults.raise_if_any()
    texts = {name: [column for column in _TEXTS if column in table] for name, table in tables.items()}
    for name, columns in texts.items():
        tables[name][columns] = tables[name][columns].astype("str").fillna("")
    facts = {**head["facts"], "idle": tuple(head["facts"].get("idle", ()))}
    nan = float("nan")
    facts |= {name: nan for name in ("mean_gap", "largest_gap", "gap_share_of_sd") if facts.get(name) is None}
    stored = read_cases(path) if (path / COMPARISON_FILE).is_file() else []
    return Uncertainty(head["name"], facts, **tables, results={result.case.id: result for result in stored})


def require_same_problem(found: Uncertainty, run: Run) -> None:
    """
    Refuse a run of another problem than the one whose inputs were varied.

    How it was solved may differ: the solver, its gap, and the time slices, of which samples have few.

    Parameters
    ----------
    found
        The uncertainty.
    run
        The run.

    Raises
    ------
    InputError
        With what is in one of them alone: keys that `--set` has set, and files of the inputs.
    """
    stated = next((one for one in found.results.values() if one.info and not one.case.overrides), None)
    faults = FaultList(f"the uncertainty of {found.name}")
    if stated is None:
        remedy = "Repeat `edwc uncertainty` with --out, and name that folder."
        faults.add("the scenario as stated", "is not there, or has no plan: the study cannot be told to be of this run",
                   remedy)  # fmt: skip
        raise faults.error()
    studied, own = _states(stated.info), _states(run.info)
    told = [f"{name} in the {where} alone" for where, more, less in (("study", studied, own), ("run", own, studied))
            for name in sorted(more[key] for key in more.keys() - less.keys())]  # fmt: skip
    if told:
        remedy = "Repeat `edwc uncertainty` with the scenario, the files and the --set of the run."
        faults.add(run.label, f"is of another problem than the study: {', '.join(told)}", remedy)
    faults.raise_if_any()


def _states(info: Mapping[str, Any]) -> dict[Any, str]:
    """List what makes the problem of a run, with what to call it: keys set, and files by their content."""
    changes = [text.partition("=") for text in changed_keys(info)]
    states: dict[Any, str] = {
        (key, _number_or_text(value)): f"{key}={shorten(value, 40)}"
        for key, _, value in changes
        if key not in PATH_KEYS and not key.startswith("time.slic")
    }
    for part in ("scenario", "network"):
        hashes = info[part].get("file_hashes") or {}
        states |= {(part, content): name for name, content in hashes.items() if name != BASEMAP_FILE}
    return states


def _number_or_text(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value.strip()


_RANGE = ["input", "key", "value", "low", "high", "shape", "reason", "source", "file", "row"]
_DISTRIBUTION = [
    "figure", "as_stated", "plans", "mean", "sd", "least", *QUANTILES, "most", "noise_sd", "noise_share",
]  # fmt: skip
_DRIVERS = [
    "figure", "input", "rank_coefficient", "partial_rank_correlation", "is_significant", "first_order_index", "r2",
    "total_index", "surrogate_r2",
]  # fmt: skip
_PLACES = ["data_center", "region", "used_share", "mean", "p05", "p50", "p95"]
_FIGURES = ["figure", "title", "unit", "factor", "decimals"]
_SAMPLES = ["sample", "status", "reason", "mip_rel_gap", COST, BOUND]
_TABLES = {
    "inputs": _RANGE, "figures": _FIGURES, "samples": _SAMPLES, "distributions": _DISTRIBUTION, "drivers": _DRIVERS,
    "data_centers": _PLACES,
}  # fmt: skip
_TEXTS = (
    "input", "key", "shape", "reason", "source", "file", "figure", "title", "unit", "sample", "status", "data_center",
    "region",
)  # fmt: skip


def _range_row(name: str, found: Any) -> dict[str, Any]:
    row = found.row
    own = {"input": name, "key": found.key, "value": found.value, "low": found.low, "high": found.high}
    return own | {column: getattr(row, column) for column in ("shape", "reason", "source", "file", "row")}


def _sample_table(
    sampled: Mapping[str, CaseResult],
    figures: Sequence[Figure],
    inputs: Sequence[UncertainInput],
    quantiles: FloatArray,
) -> pd.DataFrame:
    rows = [
        {
            "sample": case,
            "status": str(result.status),
            "reason": result.reason,
            "mip_rel_gap": finite_or_nan(result.mip_rel_gap),
            **{figure.name: value_of(figure, result) for figure in figures},
        }
        for case, result in sampled.items()
    ]
    at = pd.DataFrame(quantiles, columns=[f"{QUANTILE_OF}{one.name}" for one in inputs])
    return pd.concat([pd.DataFrame(rows), at], axis=1)


def _distribution(
    figure: Figure, planned: pd.DataFrame, as_stated: float, pairs: Sequence[tuple[CaseResult, CaseResult]]
) -> dict[str, Any]:
    values = planned[figure.name].dropna().to_numpy(float)
    both = np.array([[value_of(figure, result) for result in pair] for pair in pairs]).reshape(-1, 2)
    noise = noise_sd(both[:, 0], both[:, 1])
    if not len(values):
        return {"figure": figure.name, "as_stated": as_stated, "plans": 0}
    sd = float(values.std(ddof=1)) if len(values) >= _FEW_PLANS else float("nan")
    levels = np.quantile(values, list(QUANTILES.values()))
    return {
        "figure": figure.name,
        "as_stated": as_stated,
        "plans": len(values),
        "mean": float(values.mean()),
        "sd": sd,
        "least": float(values.min()),
        **dict(zip(QUANTILES, levels.tolist(), strict=True)),
        "most": float(values.max()),
        "noise_sd": noise,
        # Figures that never vary have no noise; what is noise alone is all of the variance.
        "noise_share": min(1.0, (noise / sd) ** 2) if sd > 0 else float("nan"),
    }


def _facts_of(sampled: Mapping[str, CaseResult], distributions: pd.DataFrame) -> dict[str, Any]:
    planned = [result for result in sampled.values() if result.has_plan]
    gaps = np.array([finite_or_nan(result.mip_rel_gap) for result in planned])
    open_cny = np.array([finite_or_nan(result.objective_cny - result.bound_cny) for result in planned])
    sd = distributions.set_index("figure")["sd"].get(COST, float("nan"))
    return {
        "statuses": dict(Counter(str(result.status) for result in sampled.values())),
        "mean_gap": float(gaps.mean()) if len(gaps) else float("nan"),
        "largest_gap": float(gaps.max()) if len(gaps) else float("nan"),
        "gap_share_of_sd": float(open_cny.mean() / sd) if len(gaps) and sd > 0 else float("nan"),
    }


def _drivers(planned: pd.DataFrame, figures: Sequence[Figure], inputs: Sequence[str]) -> pd.DataFrame:
    at = planned[[f"{QUANTILE_OF}{name}" for name in inputs]].to_numpy(float)
    parts = []
    for figure in figures:
        values = planned[figure.name].to_numpy(float)
        known = np.isfinite(values)
        if known.sum() < _FEW_PLANS:
            continue
        ranks, surrogate = rank_indices(at[known], values[known]), fit_surrogate(at[known], values[known])
        part = pd.DataFrame(
            {
                "figure": figure.name,
                "input": inputs,
                "rank_coefficient": ranks.coefficient,
                "partial_rank_correlation": ranks.partial,
                "is_significant": np.abs(ranks.partial) > ranks.threshold,
                "first_order_index": [first_order_index(column, values[known]) for column in at[known].T],
                "r2": ranks.r2,
                "total_index": surrogate.total,
                "surrogate_r2": surrogate.r2,
            }
        )
        weight = part["rank_coefficient"].abs()
        # Where there are too few samples for a regression, by the first-order index.
        order = (weight if weight.notna().any() else part["first_order_index"]).sort_values(ascending=False)
        parts.append(part.loc[order.index])
    return pd.concat(parts, ignore_index=True)[_DRIVERS] if parts else pd.DataFrame(columns=_DRIVERS)


def _places(planned: Sequence[CaseResult]) -> pd.DataFrame:
    """Sum up the share of the tokens that each data center serves, plan by plan."""
    if not planned:
        return pd.DataFrame(columns=_PLACES)
    found = [result.open_run().tables["data_centers"] for result in planned]
    shares = pd.concat([table.set_index("id")["token_share"].rename(at) for at, table in enumerate(found)], axis=1)
    shares = shares.fillna(0.0)
    regions = pd.concat([table.set_index("id")["region"] for table in found])
    levels = shares.quantile([QUANTILES[name] for name in ("p05", "p50", "p95")], axis=1).T
    levels.columns = ["p05", "p50", "p95"]
    table = pd.DataFrame(
        {
            "region": regions[~regions.index.duplicated()].reindex(shares.index),
            "used_share": (shares > 0).mean(axis=1),
            "mean": shares.mean(axis=1),
        }
    )
    table = pd.concat([table, levels], axis=1).rename_axis("data_center").reset_index()
    return table.sort_values(["used_share", "mean"], ascending=False, ignore_index=True)[_PLACES]


def region_shares(found: Uncertainty) -> list[str]:
    """
    Name the figures that are shares of regions, the most dispersed first.

    Parameters
    ----------
    found
        The result.
    """
    table = found.distributions[found.distributions["figure"].str.startswith(f"{REGION_SHARE}.")]
    width = (table["p95"] - table["p05"]).sort_values(ascending=False, kind="stable")
    return [str(table.loc[at, "figure"]) for at in width.index]
