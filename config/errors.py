"""What was wrong with the settings, where, and what is allowed.

SettingsError   everything that is wrong, at once: one `Problem` each
"""

from collections.abc import Sequence

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    Attributes:
        layer: which layer said it: `file`, `environment`, …
        origin: where exactly: a path, a line, a variable.
        key: the dotted path, `motor.lease_s`; None where a whole file cannot be read.
        text: what is wrong and what would be right, as a sentence for people.
        given: what was said, never a secret; None where it has no say in the matter.
        allowed: what the key takes; None where there is no such key.
        nearest: the name that was probably meant.
        forbidden: right in itself, and not for this layer to say.
    """

    layer: str
    origin: str
    key: str | None
    text: str
    given: str | None = None
    allowed: str | None = None
    nearest: str | None = None
    forbidden: bool = False

    def __str__(self) -> str:
        place = self.origin if self.key is None else f"{self.origin}: {self.key}"
        return "".join(map(_printable, f"{place}: {self.text}"))


def _printable(character: str) -> str:
    """Escape what would move the cursor or colour a terminal: it comes from files of others."""
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


class SettingsError(Exception):
    """The settings cannot be used; the message holds everything that is wrong with them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        return f"{len(self.problems)} settings are wrong:{lines}"
