"""Names of a package that are imported on first use, so that importing the package alone stays cheap (PEP 562)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, namespace: dict[str, Any], module_of: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """
    Make a package's `__getattr__` and `__dir__`.

    Parameters
    ----------
    package
        Name of the package.
    namespace
        Its `globals()`; a name stays there once it was asked for.
    module_of
        Full module name by public name.

    Returns
    -------
    tuple
        The two functions.
    """

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module_of[name]), name)
        namespace[name] = value
        return value

    def names() -> list[str]:
        return sorted({*namespace, *module_of})

    return get, names
