"""Where models lie, by the names that people give them, and what is known about each."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, NamedTuple

from models.vision import default_detector_directory
from models.vision.store import ModelStore
from protocol.control import GetStatus
from rvm_edge.client import EXIT_NOT_RUNNING, ClientError, ask
from rvm_edge.data_dir import locate

EXIT_USAGE = 2
SHIPPED = "shipped"
STORE = "models"
ENGINES = "engines"
INFERENCE = "/vision/inference"
_ASK_S = 5.0


class Unusable(Exception):
    """The command line names nothing that can be used; the message says what there is."""


class Home(NamedTuple):
    """A machine's data directory, as far as models are concerned."""

    directory: Path
    store: ModelStore

    @property
    def engines(self) -> Path:
        """Where engines are kept that were built on this device."""
        return self.directory / ENGINES


def home(data_dir: str | None) -> Home:
    """The machine that the options name; it need not exist."""
    directory = locate(data_dir)
    return Home(directory, ModelStore(directory / STORE))


def find(model: str, store: ModelStore) -> Path:
    """The directory that a person means: ``shipped``, a name in the store, or a path.

    Nothing at all means the one that the store says is current.

    Raises:
        Unusable: there is none.
    """
    shipped = default_detector_directory()
    model = model or store.read(put_aside=False).current or SHIPPED
    if model in (SHIPPED, shipped.name) and "/" not in model:
        return shipped
    there = store.directory_of(model)
    if there is not None:
        return there
    path = Path(model).expanduser()
    if path.is_dir():
        return path.absolute()
    known = (SHIPPED, *store.names())
    near = difflib.get_close_matches(model, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise Unusable(f"there is no model {model}. {hint}There are: {', '.join(known)}.")


def name_of(directory: Path, store: ModelStore) -> str:
    """What people call a model."""
    if directory == default_detector_directory():
        return SHIPPED
    return store.name_of(directory) or str(directory)


def facts_of_inference(directory: Path) -> dict[str, Any] | None:
    """What the running machine says of its inference; None if no machine runs there.

    Raises:
        ClientError: one runs and does not answer.
    """
    try:
        status = ask(directory, GetStatus(), _ASK_S)
    except ClientError as error:
        if error.exit_code == EXIT_NOT_RUNNING:
            return None
        raise
    for actor in status["actors"]:
        if actor["path"] == INFERENCE:
            facts = actor.get("facts") or {}
            return {**facts, "state": actor["state"], "waiting_for": actor["waiting_for"]}
    return {"state": "", "waiting_for": ""}
