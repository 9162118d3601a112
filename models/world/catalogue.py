"""The items of the simulated world: pictures of a chamber, what is on them, what should happen.

The pictures ship in `chamber/` beside this file; its README says what they are for.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, TypeAlias

Expected: TypeAlias = Literal["accept", "reject", "empty"]

EMPTY = "empty"  # the kind of a picture with no item on it
EXPECTED: tuple[Expected, ...] = ("accept", "reject", "empty")
SUGGESTIONS_MAX = 3


class CatalogueError(Exception):
    """The catalogue cannot be used: `CatalogueInvalid` or `UnknownItem`."""


class CatalogueInvalid(CatalogueError):
    """The list or a picture is missing, or the list says something it must not."""


class UnknownItem(CatalogueError):
    """No item and no kind of item has this name."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of the chamber.

    Attributes:
        name: `007_0001`, the picture's file name without its ending.
        kinds: what lies there, `mineral` or `can`; nothing for an empty chamber.
        expected: what a machine that makes no mistake does.
    """

    name: str
    kinds: tuple[str, ...]
    expected: Expected
    picture: Path


class Catalogue:
    """The items, by name and by kind, in the order of their names."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._by_name = {item.name: item for item in sorted(items, key=lambda item: item.name)}

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._by_name.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Every item's name."""
        return tuple(self._by_name)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind there is, `empty` included."""
        return tuple(sorted({kind for item in self for kind in item.kinds or (EMPTY,)}))

    def of_kind(self, kind: str) -> tuple[Item, ...]:
        """List the items of a kind, those that are nothing else first.

        Raises:
            UnknownItem: no such kind; the message suggests the nearest.
        """
        found = [item for item in self if kind in (item.kinds or (EMPTY,))]
        if not found:
            raise self._unknown(kind, self.kinds)
        return tuple(sorted(found, key=lambda item: (len(item.kinds), item.name)))

    def find(self, query: str) -> tuple[Item, ...]:
        """List what a person means by a name (`007_0001`, `007_0001.jpg`) or by a kind (`can`).

        Raises:
            UnknownItem: neither; the message suggests the nearest.
        """
        item = self._by_name.get(query) or self._by_name.get(Path(query).stem)
        if item is not None:
            return (item,)
        if query in self.kinds:
            return self.of_kind(query)
        raise self._unknown(query, (*self.kinds, *self.names))

    def _unknown(self, query: str, known: tuple[str, ...]) -> UnknownItem:
        near = get_close_matches(query, known, n=SUGGESTIONS_MAX)
        hint = f"did you mean {' or '.join(near)}?" if near else f"kinds: {', '.join(self.kinds)}"
        return UnknownItem(f"no item or kind {query!r}; {hint}")


def default_chamber_directory() -> Path:
    """Say where the chamber's pictures lie that ship with the machine."""
    return Path(__file__).resolve().parent / "chamber"


def load_catalogue(directory: Path | None = None) -> Catalogue:
    """Read `items.csv` of a directory of chamber pictures; of ours, if none is named.

    Raises:
        CatalogueInvalid: with the file, the line and what to do about it.
    """
    home = directory or default_chamber_directory()
    path = home / "items.csv"
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines)
            return Catalogue([_item(home, path, rows.line_num, row) for row in rows])
    except OSError as error:
        raise CatalogueInvalid(f"cannot read {path}: {error.strerror}; install again") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise CatalogueInvalid(f"{path} is no table: {error}; install again") from error


def _item(home: Path, path: Path, line: int, row: dict[str, str | None]) -> Item:
    file, kinds, expected = row.get("file"), row.get("kinds"), row.get("expected")
    if not file or kinds is None or expected not in EXPECTED:
        raise CatalogueInvalid(
            f"{path}, line {line}: wants file,kinds,expected with expected one of"
            f" {', '.join(EXPECTED)}; correct the line"
        )
    picture = home / "images" / file
    if not picture.is_file():
        raise CatalogueInvalid(f"{path}, line {line}: there is no {picture}; correct the line")
    return Item(
        name=picture.stem,
        kinds=tuple(kind for kind in kinds.split("+") if kind),
        expected=expected,
        picture=picture,
    )
