"""An example of every payload: shown in OpenAPI and in docs/platform-contract.md."""

from __future__ import annotations

from typing import Any

import msgspec

from server.examples import customers, fleet, machines, reports

EXAMPLES: dict[type[msgspec.Struct], Any] = {
    type(example): example
    for module in (machines, reports, customers, fleet)
    for example in module.EXAMPLES
}
"""By their kind."""
