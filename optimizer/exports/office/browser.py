"""A page printed to PDF by a browser of this machine, which nobody has to open."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from network_data.faults import Fault, InputError

BROWSER_VARIABLE = "EDWC_BROWSER"
# Those that print without a window, by the names that systems give them.
_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge",
    "microsoft-edge-stable", "msedge", "brave-browser",
)  # fmt: skip
_MAC_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
_FLAGS = (
    "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking",
    "--no-first-run", "--no-default-browser-check", "--no-pdf-header-footer",
)  # fmt: skip
_SECONDS = 180.0
_SAID_CHARS = 300


def find_browser() -> str:
    """
    Find a browser that prints: that of `EDWC_BROWSER`, else one that is installed.

    Raises
    ------
    InputError
        If there is none.
    """
    wanted = os.environ.get(BROWSER_VARIABLE)
    found = shutil.which(wanted) if wanted else next(filter(None, map(shutil.which, (*_NAMES, *_MAC_PLACES))), None)
    if found is None:
        problem = "is no program" if wanted else "no browser that prints is installed"
        remedy = (
            f"Install Chromium, Chrome or Edge (Debian: apt-get install chromium), or name one in {BROWSER_VARIABLE}. "
            "Or write the report as .html and print it from a browser. A brief (--as brief) needs none."
        )
        where = BROWSER_VARIABLE if wanted else "a report as .pdf"
        raise InputError([Fault(where, None, None, wanted, problem, remedy)], "the export")
    return found


def print_page(page: str, path: Path) -> None:
    """
    Print a page as PDF.

    Parameters
    ----------
    page
        HTML that needs no network.
    path
        File to write.

    Raises
    ------
    InputError
        If there is no browser, or it does not print.
    """
    browser = find_browser()
    # Root may not use the sandbox; nothing but the page is opened, and that asks for nothing.
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with tempfile.TemporaryDirectory(prefix="edwc-print-", ignore_cleanup_errors=True) as folder:
        source, printed = Path(folder) / "page.html", Path(folder) / "page.pdf"
        source.write_text(page, encoding="utf-8", newline="\n")
        command = [browser, *flags, f"--user-data-dir={folder}/profile", f"--print-to-pdf={printed}", source.as_uri()]
        try:
            # S603: a browser, and a file of our own.
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603
            said = done.stderr.decode(errors="replace")
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
        if not printed.is_file() or not printed.stat().st_size:
            problem = f"did not print the report: {said.strip()[-_SAID_CHARS:] or 'it said nothing'}"
            remedy = f"Name another browser in {BROWSER_VARIABLE}, or write the report as .html and print it."
            raise InputError([Fault(browser, None, None, None, problem, remedy)], "the export")
        shutil.copyfile(printed, path)
