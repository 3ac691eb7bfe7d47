"""
Make the fonts of the drawn maps anew: what Chinese maps need of Noto Sans CJK, from Debian's fonts-noto-cjk.

    apt-get install fonts-noto-cjk
    python -m benchmarks.map_fonts

Run it when a table in `optimizer/words/tables` or the names of a built-in network get a character that is new; the
tests tell. The same package and the same fontTools give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "optimizer" / "drawing" / "assets"
TABLES = ROOT / "optimizer" / "words" / "tables"
DEBIAN_FOLDER = Path("/usr/share/fonts/opentype/noto")
ORIGINAL_FAMILY = "Noto Sans CJK SC"
FAMILY = "Noto Sans SC edwc"
WEIGHTS = ("Regular", "Bold")
# ASCII, Latin-1, and the punctuation and arrows that the maps or a name may hold; the other font has more Latin.
LATIN = [*range(0x20, 0x7F), *range(0xA0, 0x100)]
SIGNS = "\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u2030\u2082\u2192\u2212\u2264\u2265\u00d7\u00b7\u2191\u2193"
# Rows of GB 2312: 1 to 3 are punctuation and full-width forms, 16 to 55 the characters of level 1.
GB2312_ROWS = (*range(1, 4), *range(16, 56))
_NAME_COLUMNS = ("name", "name_local")
_GB2312_FIRST, _GB2312_LAST = 0xA1, 0xFE
_FAMILY_ID, _SUBFAMILY_ID, _UNIQUE_ID, _FULL_ID, _POSTSCRIPT_ID = 1, 2, 3, 4, 6
_KEPT_NAMES = {0, 5, 7, 13, 14}


def main() -> None:
    """Write both weights and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fonts", type=Path, default=DEBIAN_FOLDER, help="folder with NotoSansCJK-*.ttc")
    folder = parser.parse_args().fonts
    wanted = wanted_characters()
    for weight in WEIGHTS:
        target = ASSETS / f"NotoSansSC-{weight}.otf"
        font = cut(folder / f"NotoSansCJK-{weight}.ttc", wanted, weight)
        font.save(target)
        missing = sorted(char for char in wanted if ord(char) not in font.getBestCmap())
        print(f"{target.relative_to(ROOT)}: {len(font.getBestCmap()):,} characters, {target.stat().st_size:,} bytes")
        print(f"  not in the original: {''.join(missing) or 'none'}")


def wanted_characters() -> set[str]:
    """Collect the characters: GB 2312 level 1, place names, the words of the maps, names of the built-in networks."""
    listed = (ROOT / "benchmarks" / "map_font_characters.txt").read_text(encoding="utf-8").splitlines()
    places = "".join(line for line in listed if not line.startswith("#"))
    return {*map(chr, LATIN), *SIGNS, *gb2312_characters(), *places, *_words(), *_names()}


def gb2312_characters() -> Iterator[str]:
    """List the characters of GB 2312 that belong to `GB2312_ROWS`."""
    for row in GB2312_ROWS:
        for cell in range(_GB2312_FIRST, _GB2312_LAST + 1):
            try:
                yield bytes((0xA0 + row, cell)).decode("gb2312")
            except UnicodeDecodeError:
                continue


def _words() -> set[str]:
    return {char for table in TABLES.glob("*.csv") for char in table.read_text(encoding="utf-8")} - set("\r\n")


def _names() -> set[str]:
    found: set[str] = set()
    for table in sorted((ROOT / "network_data").glob("*/*.csv")):
        with table.open(encoding="utf-8", newline="") as text:
            for row in csv.DictReader(text):
                found.update(*(row.get(column) or "" for column in _NAME_COLUMNS))
    return found


def cut(collection: Path, characters: Iterable[str], weight: str) -> TTFont:
    """
    Take the Chinese face of a collection and leave only some characters.

    Parameters
    ----------
    collection
        Font collection.
    characters
        What is left.
    weight
        Regular or Bold, for its name.
    """
    faces = TTCollection(collection).fonts
    font = next(face for face in faces if face["name"].getDebugName(_FAMILY_ID) == ORIGINAL_FAMILY)
    options = subset.Options()
    # Maps set single lines from left to right: no ligatures, no vertical writing. Hints are left to the renderer.
    options.layout_features = []
    options.hinting = False
    options.name_IDs = sorted(_KEPT_NAMES | {_FAMILY_ID, _SUBFAMILY_ID, _UNIQUE_ID, _FULL_ID, _POSTSCRIPT_ID})
    options.drop_tables += ["BASE", "VORG", "vhea", "vmtx"]
    options.notdef_outline = True
    subsetter = subset.Subsetter(options)
    subsetter.populate(text="".join(sorted(characters)))
    subsetter.subset(font)
    font.recalcTimestamp = False
    _rename(font, weight)
    return font


def _rename(font: TTFont, weight: str) -> None:
    """Give it a name of its own: it must not be taken for the whole font, nor the whole font for it."""
    names = {
        _FAMILY_ID: FAMILY,
        _SUBFAMILY_ID: weight,
        _UNIQUE_ID: f"{FAMILY} {weight}",
        _FULL_ID: f"{FAMILY} {weight}",
        _POSTSCRIPT_ID: f"{FAMILY.replace(' ', '')}-{weight}",
    }
    table = font["name"]
    table.names = [record for record in table.names if record.nameID in _KEPT_NAMES]
    for name_id, text in names.items():
        table.setName(text, name_id, 3, 1, 0x409)
    face = font["CFF "].cff
    face.fontNames = [names[_POSTSCRIPT_ID]]
    face.topDictIndex[0].FamilyName = FAMILY
    face.topDictIndex[0].FullName = names[_FULL_ID]


if __name__ == "__main__":
    main()
