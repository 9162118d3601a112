"""What tests of the eyes share: the shipped detector, loaded once, and the referee's pictures."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.vision import Detector, default_detector_directory, open_detector
from models.world.catalogue import Catalogue, load_catalogue


@pytest.fixture(scope="session")
def detector() -> Iterator[Detector]:
    opened = open_detector(default_detector_directory())
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def model_copy(tmp_path: Path) -> Path:
    """A model directory that a test may break."""
    return Path(shutil.copytree(default_detector_directory(), tmp_path / "model"))
