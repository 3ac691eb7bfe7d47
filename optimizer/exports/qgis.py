"""QGIS styles (QML) for the layers of an exported GeoPackage: QGIS applies them when it opens the file."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from optimizer.drawing.colours import NEUTRAL_COLOUR

_QGIS_VERSION = "3.28"
_WIDEST_FLOW_MM, _WIDEST_LINK_MM = 4.0, 1.5
_LARGEST_CENTER_MM, _LARGEST_HUB_MM = 10.0, 5.0


def layer_styles(layers: dict[str, Any], regions: dict[str, str]) -> dict[str, str]:
    """
    Write a QML style for each layer.

    Flows are as wide as their volume and coloured by the region of the data center, data centers and demand hubs have
    an area proportional to their volume, links are as wide as their load. Layers by time slice are played by the
    temporal controller.

    Parameters
    ----------
    layers
        GeoDataFrames by name, see `optimizer.exports.layers.allocation_layers`.
    """
    return {name: _style(name, layer, regions) for name, layer in layers.items()}


def _style(name: str, layer: Any, regions: dict[str, str]) -> str:
    kind = name.removesuffix("_by_slice")
    is_timed = kind != name
    volume = "mtok_per_h" if is_timed else "mtok_per_year"
    if kind == "links":
        # No layer is drawn wider than it is loaded: 0 to 1 of capacity is 0.15 mm to the widest.
        width = f'0.15 + {_WIDEST_LINK_MM} * min(1, coalesce("load_share", 0))'
        return _document(_single(_line("#C4BFB4", width), "line"), label=None, is_timed=is_timed)
    if kind == "demand_hubs":
        size = _square_root(volume, layer, _LARGEST_HUB_MM)
        return _document(_single(_marker(None, "#222222", size), "marker"), label="name", is_timed=is_timed)
    if kind == "data_centers":
        size = _square_root(volume, layer, _LARGEST_CENTER_MM)
        markers = {region: _marker(colour, "white", size) for region, colour in regions.items()}
        return _document(_categorized("region", markers, "marker", volume), label="name", is_timed=is_timed)
    width = _linear(volume, layer, _WIDEST_FLOW_MM)
    lines = {region: _line(colour, width) for region, colour in regions.items()}
    return _document(_categorized("data_center_region", lines, "line", volume), label=None, is_timed=is_timed)


def _linear(column: str, table: Any, widest_mm: float) -> str:
    return f'max(0.1, {widest_mm} * coalesce("{column}", 0) / {_largest(column, table)})'


def _square_root(column: str, table: Any, widest_mm: float) -> str:
    return f'max(1.2, {widest_mm} * sqrt(coalesce("{column}", 0) / {_largest(column, table)}))'


def _largest(column: str, table: Any) -> str:
    largest = float(table[column].max()) if len(table) else 0.0
    return repr(largest if largest > 0 else 1.0)


def _document(renderer: ET.Element, *, label: str | None, is_timed: bool) -> str:
    root = ET.Element(
        "qgis",
        version=_QGIS_VERSION,
        styleCategories="Symbology|Labeling|Temporal" if is_timed else "Symbology|Labeling",
        labelsEnabled="0" if label is None else "1",
    )
    if is_timed:
        # 2 says that begin and end stand in fields of their own, 0 that the end is not part of the time slice.
        ET.SubElement(
            root, "temporal", enabled="1", mode="2", startField="slice_begin", endField="slice_end", limitMode="0",
            durationUnit="h", accumulate="0",
        )  # fmt: skip
    root.append(renderer)
    if label is not None:
        labeling = ET.SubElement(root, "labeling", type="simple")
        settings = ET.SubElement(labeling, "settings", calloutType="simple")
        # allowHtml stays 0: a name with markup in it is shown as it is written.
        style = ET.SubElement(
            settings, "text-style", fieldName=label, isExpression="0", allowHtml="0", fontSize="9",
            fontSizeUnit="Point", textColor="34,34,34,255",
        )  # fmt: skip
        ET.SubElement(style, "text-buffer", bufferDraw="1", bufferSize="0.8", bufferColor="255,255,255,255")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def _single(symbol_layer: ET.Element, kind: str) -> ET.Element:
    renderer = ET.Element("renderer-v2", type="singleSymbol", symbollevels="0", enableorderby="0")
    symbols = ET.SubElement(renderer, "symbols")
    _add_symbol(symbols, "0", kind, symbol_layer)
    return renderer


def _categorized(column: str, symbol_layers: dict[str, ET.Element], kind: str, volume: str) -> ET.Element:
    """Style by category; largest features first, so that small ones lie on top."""
    renderer = ET.Element("renderer-v2", type="categorizedSymbol", attr=column, symbollevels="0", enableorderby="1")
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for i, (value, symbol_layer) in enumerate(symbol_layers.items()):
        ET.SubElement(categories, "category", value=value, label=value, symbol=str(i), render="true", type="string")
        _add_symbol(symbols, str(i), kind, symbol_layer)
    order = ET.SubElement(renderer, "orderby")
    clause = ET.SubElement(order, "orderByClause", asc="0", nullsFirst="0")
    clause.text = f'"{volume}"'
    return renderer


def _add_symbol(symbols: ET.Element, name: str, kind: str, symbol_layer: ET.Element) -> None:
    symbol = ET.SubElement(symbols, "symbol", name=name, type=kind, alpha="0.85" if kind == "line" else "1")
    symbol.append(symbol_layer)


def _line(colour: str, width: str) -> ET.Element:
    options = {
        "line_color": _rgba(colour),
        "line_style": "solid",
        "line_width": "0.3",
        "line_width_unit": "MM",
        "capstyle": "round",
        "joinstyle": "round",
    }
    return _symbol_layer("SimpleLine", options, {"outlineWidth": width})


def _marker(fill: str | None, edge: str, size: str) -> ET.Element:
    """Build a circle; without a fill it is hollow."""
    options = {
        "name": "circle",
        "color": _rgba(fill or NEUTRAL_COLOUR, alpha=0 if fill is None else 255),
        "outline_color": "255,255,255,255" if edge == "white" else _rgba(edge),
        "outline_style": "solid",
        "outline_width": "0.3",
        "outline_width_unit": "MM",
        "size": "2",
        "size_unit": "MM",
    }
    return _symbol_layer("SimpleMarker", options, {"size": size})


def _symbol_layer(kind: str, options: dict[str, str], defined_by_data: dict[str, str]) -> ET.Element:
    layer = ET.Element("layer", {"class": kind, "enabled": "1", "locked": "0", "pass": "0"})
    listed = ET.SubElement(layer, "Option", type="Map")
    for name, value in options.items():
        ET.SubElement(listed, "Option", name=name, value=value, type="QString")
    outer = ET.SubElement(ET.SubElement(layer, "data_defined_properties"), "Option", type="Map")
    ET.SubElement(outer, "Option", name="name", value="", type="QString")
    properties = ET.SubElement(outer, "Option", name="properties", type="Map")
    for name, expression in defined_by_data.items():
        one = ET.SubElement(properties, "Option", name=name, type="Map")
        ET.SubElement(one, "Option", name="active", value="true", type="bool")
        ET.SubElement(one, "Option", name="expression", value=expression, type="QString")
        # 3 says that the property follows an expression.
        ET.SubElement(one, "Option", name="type", value="3", type="int")
    ET.SubElement(outer, "Option", name="type", value="collection", type="QString")
    return layer


def _rgba(colour: str, alpha: int = 255) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"{red},{green},{blue},{alpha}"
