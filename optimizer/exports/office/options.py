"""Which documents there are: the choices of `edwc export` for workbooks, briefs and printed reports."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from network_data.faults import FaultList, suggest

DocumentKind = Literal["brief", "report"]
DOCUMENT_KINDS: tuple[str, ...] = get_args(DocumentKind)
WORKBOOK, PDF = ".xlsx", ".pdf"
BRIEF_SUFFIXES = (PDF, ".docx", ".pptx")
DOCUMENT_SUFFIXES = (WORKBOOK, *BRIEF_SUFFIXES)


def document_kind(path: Path, wanted: str | None) -> DocumentKind:
    """
    Tell whether a file is to be a brief or a report; without a wish, a PDF whose name ends in `report` is one.

    Parameters
    ----------
    path
        File to write.
    wanted
        One of `DOCUMENT_KINDS`, or None.

    Raises
    ------
    InputError
        If there is no such document, or the file cannot be one.

    Examples
    --------
    >>> document_kind(Path("q3-report.pdf"), None), document_kind(Path("base.pdf"), None)
    ('report', 'brief')
    """
    faults = FaultList("the export")
    ending = path.suffix.lower()
    if wanted is not None and wanted not in DOCUMENT_KINDS:
        faults.add(
            "--as",
            "is no document",
            f"Use {' or '.join(DOCUMENT_KINDS)}.{suggest(wanted, DOCUMENT_KINDS)}",
            value=wanted,
        )
    elif wanted is not None and ending not in BRIEF_SUFFIXES:
        remedy = f"Leave out --as, or name a file that ends in {', '.join(BRIEF_SUFFIXES)}."
        faults.add(str(path), "is no brief and no printed report", remedy, value=ending or None)
    elif wanted == "report" and ending != PDF:
        faults.add(str(path), "a report is a .pdf or .html file", "Name one, or use --as brief.", value=ending)
    faults.raise_if_any()
    is_report = wanted == "report" or (wanted is None and ending == PDF and path.stem.lower().endswith("report"))
    return "report" if is_report else "brief"
