"""The application: command line and daemon. It knows everything below it."""

from __future__ import annotations


def version() -> str:
    """The version of what is installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as of

    try:
        return of("rvm-edge")
    except PackageNotFoundError:
        return "0+unknown"
