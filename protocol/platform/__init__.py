"""What a machine and its platform say to each other over HTTP: JSON bodies, and where they go.

One module per conversation; docs/platform-contract.md has an example of every body. Everything is
below `ROOT`. A success is ``{"success": true, "data": {…}}`` with one of these structs as `data`;
a failure has Laravel's shape, ``{"message": …, "errors": {field: […]}}``, with a word that programs
can match in `code`. Who reads ignores fields that it does not know.

Imports nothing of ours.
"""

ROOT = "/api/v1"

# Every path says whether its reader may send it again without thinking: all of them may. What
# counts carries a key of its own, and everything else is a statement of how things are.
IDEMPOTENCY_KEY = "Idempotency-Key"
"""Header of a deposit's key; the body says it too, for platforms that drop the header."""
