"""The brief of a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from optimizer.comparison.comparison import Comparison
from optimizer.comparison.tables import REGION
from optimizer.drawing.words import minus_sign
from optimizer.exports.office.brief import (
    PERCENT,
    Bar,
    Bars,
    Brief,
    Figure,
    Money,
    changes_of,
    list_amounts,
    listed,
    named,
    section_of,
)
from optimizer.exports.office.run_brief import write_share
from optimizer.exports.words import Words
from optimizer.numbers import format_number, format_percent
from optimizer.text.comparison import chosen_pairs
from optimizer.words.amounts import counting
from optimizer.words.language import Lang, speaking

_LABEL_CHARS, _CASES_SHOWN, _PARTS_SHOWN, _NAMED = 44, 10, 4, 6


def comparison_brief(found: Comparison, lang: Lang = "en", *, map_png: bytes = b"") -> Brief:
    """
    Say what a comparison answers.

    Parameters
    ----------
    lang
        Language of the brief.
    map_png
        A drawn map of what changes; empty for none.
    """
    with speaking(lang), counting(found.cases["total_cny_per_year"]):
        return _comparison_brief(found, Words(lang, found.currency), map_png)


def _comparison_brief(found: Comparison, words: Words, map_png: bytes) -> Brief:
    planned = found.cases.dropna(subset=["total_cny_per_year"])
    money = Money(words, float(planned["total_cny_per_year"].max()) if len(planned) else 0.0)
    about = _Cases(found, words, money, planned)
    name, version = named(found.name), named(section_of(found.head, "versions").get("edwc", ""))
    pair = next(iter(chosen_pairs(found)), None)
    ends = {} if pair is None else {"first": about.label(pair[0]), "second": about.label(pair[1])}
    return Brief(
        words=words,
        title=words("brief.title_cases", name=name or about.reference),
        eyebrow=words("brief.eyebrow_cases", name=name, count=len(found.cases)),
        changes=changes_of(words, found.changes),
        question=words("brief.question_compare", count=len(found.cases) - 1, reference=about.reference),
        answer=tuple(about.answer()),
        figures=tuple(about.figures()),
        bars=about.bars(),
        decides=tuple(about.decides()),
        caveats=tuple(about.caveats()),
        sources=(words("brief.made_cases", version=version, name=name),),
        map_title=words("brief.map_change_head", **ends) if ends else words("brief.map_head"),
        map_png=map_png,
        table_title=words("brief.cases_table"),
        table=about.table(),
    )


class _Cases:
    """The cases of a comparison in words."""

    def __init__(self, found: Comparison, words: Words, money: Money, planned: pd.DataFrame) -> None:
        self._found, self._words, self._money = found, words, money
        self._others = planned[~planned["is_reference"].astype(bool)]
        self._planned = planned
        own = planned[planned["is_reference"].astype(bool)]
        self._own: Mapping[Any, Any] = own.iloc[0].to_dict() if len(own) else {}
        self.reference = self.label(found.reference)

    def label(self, case: str) -> str:
        """Name a case."""
        return self._found.short_labels(_LABEL_CHARS).get(case, named(case, _LABEL_CHARS))

    def _ends(self) -> list[Mapping[Any, Any]]:
        """Find the case that saves most and the one that costs most, of those that differ from the reference."""
        saved = self._others.dropna(subset=["saving_cny_per_year"]).sort_values("saving_cny_per_year", kind="stable")
        return [saved.iloc[at].to_dict() for at in ((-1, 0) if len(saved) > 1 else (-1,) if len(saved) else ())]

    def answer(self) -> Iterator[str]:
        """Say what the reference costs, and what is proved of the cases that differ most from it."""
        words, money = self._words, self._money
        for row in self._ends():
            yield self._case_sentence(row)
        if self._own:
            cost, bound = (money.text(self._own[name]) for name in ("total_cny_per_year", "bound_cny_per_year"))
            yield words("brief.answer_reference", reference=self.reference, cost=cost, bound=bound)
        if (shares := self._region_shares()) is not None:
            region, low, high = shares
            lies = {"low": format_percent(low), "high": format_percent(high)}
            yield words("brief.moved_shares", region=words.term("category", region), **lies)

    def _case_sentence(self, row: Mapping[Any, Any]) -> str:
        words, money = self._words, self._money
        least, most = row["least_saving_cny_per_year"], row["most_saving_cny_per_year"]
        facts = {"case": self.label(str(row["case"])), "reference": self.reference}
        if least <= 0 <= most:
            return words("brief.answer_case_open", **facts, least=money.text(least), most=money.text(most))
        facts["share"] = format_percent(abs(row["saving_share"]))
        amount = money.text(abs(row["saving_cny_per_year"]))
        low, high = sorted((abs(least), abs(most)))
        key = "brief.answer_case_less" if least > 0 else "brief.answer_case_more"
        return words(key, **facts, amount=amount, least=money.text(low), most=money.text(high))

    def _region_shares(self) -> tuple[str, float, float] | None:
        """Find the region whose share differs most between the cases, and between what it lies."""
        columns = [str(name) for name in self._planned if str(name).startswith(f"{REGION.name}.")]
        spans = {name: float(self._planned[name].max() - self._planned[name].min()) for name in columns}
        if not spans:
            return None
        widest = max(spans, key=lambda name: spans[name])
        values = self._planned[widest]
        return widest.partition(".")[2], float(values.min()), float(values.max())

    def figures(self) -> Iterator[Figure]:
        """List the key figures with what is proved of them."""
        words, money = self._words, self._money
        if self._own:
            cost, bound = self._own["total_cny_per_year"], self._own["bound_cny_per_year"]
            label = words("brief.figure.reference_cost", case=self.reference)
            yield money.figure(label, cost, least=bound, most=cost)
        for row in self._ends():
            case = self.label(str(row["case"]))
            least, most = row["least_saving_cny_per_year"], row["most_saving_cny_per_year"]
            note = minus_sign(format_percent(row["saving_share"]))
            label = words("brief.figure.case_saving", case=case)
            yield money.figure(label, row["saving_cny_per_year"], least=least, most=most, note=note)
        for row in self._ends():
            label = words("brief.figure.moved", case=self.label(str(row["case"])))
            must = row["must_move_share"]
            note = words("brief.no_range") if math.isnan(must) else words("brief.must_move", share=format_percent(must))
            yield Figure(label, float(row["moved_share"]), PERCENT, note=note)

    def bars(self) -> Bars:
        """Compare the costs of the cases, the reference first."""
        rows = []
        for row in self._shown().to_dict("records"):
            note = "" if row["is_reference"] else self._change(row["saving_cny_per_year"], row["saving_share"])
            cost = self._money.number(row["total_cny_per_year"])
            rows.append(Bar(self.label(str(row["case"])), cost, note, is_own=bool(row["is_reference"])))
        return Bars(self._words("brief.cases_head", unit=self._money.unit), tuple(rows), self._money.decimals)

    def _change(self, saving_cny: float, share: float) -> str:
        sign = "\u2212" if saving_cny > 0 else "+"
        amount, part = f"{sign}{self._money.write(abs(saving_cny))}", f"{sign}{format_percent(abs(share))}"
        return self._words("brief.amount_share", amount=amount, share=part)

    def _shown(self) -> pd.DataFrame:
        """Choose the cases that there is room for: the reference, then those that differ most from it."""
        order = self._planned["saving_cny_per_year"].abs().fillna(0.0)
        kept = self._planned.assign(_order=order.where(~self._planned["is_reference"].astype(bool), math.inf))
        chosen = kept.sort_values("_order", ascending=False, kind="stable").head(_CASES_SHOWN).index
        return self._planned.loc[self._planned.index.isin(chosen)]

    def table(self) -> tuple[tuple[str, ...], ...]:
        """List the cases with what is proved of each."""
        words, money, shares = self._words, self._money, self._region_shares()
        region = "" if shares is None else shares[0]
        keys = ("case", "col.cost", "col.saving", "col.proved", "col.energy", "col.carbon")
        heads = [words(f"brief.{key}") for key in keys]
        if region:
            heads.append(words("brief.col.region", region=words.term("category", region)))
        heads += [words("brief.col.rtt"), words("brief.col.gap")]
        rows = [tuple(heads)]
        for row in self._shown().to_dict("records"):
            proved = [money.write(row[f"{end}_saving_cny_per_year"]) for end in ("least", "most")]
            interval = "" if row["is_reference"] else words("brief.interval", low=proved[0], high=proved[1])
            saving = "" if row["is_reference"] else money.write(row["saving_cny_per_year"])
            cells = [self.label(str(row["case"])), money.write(row["total_cny_per_year"]), saving, interval]
            cells += [format_number(row[name], 0, 1e3) for name in ("energy_mwh_per_year", "carbon_t_per_year")]
            if region:
                own = self._found.ranges(str(row["case"]))
                cells.append(write_share(words, row[f"{REGION.name}.{region}"], own, region))
            cells += [format_number(row["mean_rtt_ms"]), format_percent(row["mip_rel_gap"], 2)]
            rows.append(tuple(cells))
        return tuple(rows)

    def decides(self) -> Iterator[str]:
        """Explain the differences that matter most by their waterfalls."""
        words, money, found = self._words, self._money, self._found
        rows = {(str(row["first"]), str(row["second"])): row for row in found.waterfall_pairs.to_dict("records")}
        for first, second in chosen_pairs(found):
            if (first, second) not in rows:
                continue
            row = rows[first, second]
            ends = {"first": self.label(first), "second": self.label(second)}
            change = self._signed(row["difference_cny_per_year"])
            if str(row["reason"] or ""):
                yield words("brief.fall_direct", **ends, change=change)
            else:
                price, plan = (self._signed(row[f"{kind}_cny_per_year"]) for kind in ("price", "reoptimize"))
                yield words("brief.fall", **ends, change=change, price=price, plan=plan)
            bars = found.waterfalls
            own = bars[(bars["first"] == first) & (bars["second"] == second) & ~bars["kind"].isin(["start", "end"])]
            parts = own.groupby("component", sort=False)["cny_per_year"].sum()
            parts = parts[parts.abs() > 0]
            if len(parts):
                amounts = {str(name): float(cny) for name, cny in parts.items()}
                text = list_amounts(words, "component", amounts, money, _PARTS_SHOWN)
                yield words("brief.fall_parts", list=text, unit=money.unit)

    def _signed(self, cny: float) -> str:
        return ("+" if cny > 0 else "\u2212" if cny < 0 else "") + self._money.text(abs(cny))

    def caveats(self) -> Iterator[str]:
        """Say what is not proved, and what has no plan."""
        words, found = self._words, self._found
        gaps = self._planned["mip_rel_gap"].dropna()
        if len(gaps):
            low, high = format_percent(gaps.min(), 2), format_percent(gaps.max(), 2)
            yield words("brief.caveat.gaps", low=low, high=high)
        least, most = (self._others[f"{end}_saving_cny_per_year"] for end in ("least", "most"))
        for key, cases in (
            ("brief.caveat.undecided", self._others["case"][(least <= 0) & (most >= 0)]),
            ("brief.caveat.failed", found.cases["case"][found.cases["total_cny_per_year"].isna()]),
        ):
            if len(cases):
                names = [self.label(str(case)) for case in cases]
                more = ["\u2026"] if len(names) > _NAMED else []
                yield words(key, list=listed(words, names[:_NAMED] + more))
        if (beyond := len(self._planned) - len(self._shown())) > 0:
            yield words("brief.caveat.more_cases", count=beyond)
        reference = found.results.get(found.reference)
        guessed = {} if reference is None else section_of(reference.summary, "estimate_share")
        if (share := guessed.get("total")) is not None:
            yield words("brief.caveat.estimates", share=format_percent(share, 0))
