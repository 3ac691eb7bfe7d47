"""What slides and documents share: fonts that offices have, the width of texts, files that are always the same."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

LATIN_FONT, CHINESE_FONT = "Calibri", "Microsoft YaHei"
_FIRST_WIDE, _WIDE_EM, _NARROW_EM = 0x2E80, 1.0, 0.5
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_TIMES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")
_WRITTEN = rb"\g<1>2000-01-01T00:00:00Z\g<2>"


def text_ems(text: str) -> float:
    """Estimate the width of a text in units of its size: a Chinese character is as wide as it is high."""
    return sum(_WIDE_EM if ord(char) >= _FIRST_WIDE else _NARROW_EM for char in text)


def freeze_package(path: Path) -> None:
    """Take the time of writing out of an Office file and those within it: the same content gives the same bytes."""
    path.write_bytes(_frozen(path.read_bytes()))


def _frozen(content: bytes) -> bytes:
    frozen = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as package, zipfile.ZipFile(frozen, "w", zipfile.ZIP_DEFLATED) as copy:
        for item in package.infolist():
            part = package.read(item)
            if item.filename.endswith(".xlsx"):
                part = _frozen(part)
            elif item.filename == "docProps/core.xml":
                part = _TIMES.sub(_WRITTEN, part)
            named = zipfile.ZipInfo(item.filename, _ZIP_DATE)
            named.compress_type = zipfile.ZIP_DEFLATED
            copy.writestr(named, part)
    return frozen.getvalue()
