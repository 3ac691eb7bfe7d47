"""
The front door: `import edwc`, and everything that a notebook or a program uses is here.

>>> import edwc
>>> edwc.list_networks()
['china_2026']

A name is imported on first use, so that importing the module alone costs next to nothing. The names stand once, in
`edwc-stubs/__init__.pyi`, where type checkers read them too: a single module cannot carry types of its own (PEP 561).
"""

from pathlib import Path

from network_data.lazy import lazy_names, names_of_stub

_MODULE_OF = names_of_stub(Path(__file__).parent / "edwc-stubs" / "__init__.pyi")

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - the names of the stub
__getattr__, __dir__ = lazy_names(__name__, globals(), _MODULE_OF)
