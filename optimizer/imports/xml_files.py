"""XML of unknown origin, parsed without entities."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from optimizer.imports.source_graph import refuse


def parse_xml(content: bytes, path: Path) -> Any:
    """
    Parse an XML file.

    Returns
    -------
    Element
        The root.

    Raises
    ------
    InputError
        If it is not well-formed, or declares entities, which could fill the memory or read other files.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        return fromstring(content)
    except ParseError as error:
        row = error.position[0]
        raise refuse(path.name, f"is not well-formed XML ({error})", "Save it again.", row=row) from error
    except (ValueError, LookupError) as error:
        if isinstance(error, DefusedXmlException):
            remedy = "Remove the DOCTYPE with its entities; no network needs them."
            raise refuse(path.name, "declares XML entities, which are not read", remedy) from error
        raise refuse(path.name, f"is not well-formed XML ({error})", "Save it again in UTF-8.") from error
