"""Numbers in paths and queries, as far as a database can count."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from server.http.bodies import INTEGER_MAX

LIMIT_MAX = 200
HOURS_MAX = 24
"""Of telemetry, read at once: 3 000 samples."""

Number = Annotated[int, Path(ge=1, le=INTEGER_MAX)]
"""Of a machine, a file, a token: in the path."""
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
"""How many at most."""
Before = Annotated[int | None, Query(ge=1, le=INTEGER_MAX)]
"""Older than this one: to turn the page."""
Hours = Annotated[int, Query(ge=1, le=HOURS_MAX)]
"""Back from now."""
OfMachine = Annotated[int | None, Query(ge=1, le=INTEGER_MAX)]
"""Of this machine only."""
