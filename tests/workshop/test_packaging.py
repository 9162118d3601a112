"""What is installed is what is in the checkout, and nothing else owns our names."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import re
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {"rvm_edge", "actors", "models", "config", "supervisors", "protocol"}
PACKAGES = FLOORS | {"server"}
OTHER_FOLDERS = {"benchmarks", "bin", "deploy", "docs", "tests"}

needs_checkout = pytest.mark.skipif(
    "RVM_EDGE_WHEEL" in os.environ, reason="the installed wheel is tested, without the checkout"
)


def setup_cfg() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lines(value: str) -> list[str]:
    return [line for line in value.splitlines() if line]


def files_of(root: Path, package: str) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


# ----- One list of packages, said four times --------------------------------------------------


@needs_checkout
def test_the_checkout_holds_our_packages_and_no_other_folder():
    # Neither hidden folders nor *.egg-info can be imported. A switch of branches leaves folders
    # behind that hold nothing but bytecode.
    folders = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and path.name.isidentifier() and files_of(ROOT, path.name)
    }
    assert folders - OTHER_FOLDERS - {"build", "dist"} == PACKAGES


@needs_checkout
def test_every_folder_with_code_is_a_package():
    # `packages = find:` passes over a folder without __init__.py, and its modules with it.
    bare = {
        module.parent.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for module in (ROOT / package).rglob("*.py")
        if not (module.parent / "__init__.py").exists()
    }
    assert bare == set()


def test_the_tools_know_the_same_packages():
    tools = pyproject()["tool"]
    include = lines(setup_cfg()["options.packages.find"]["include"])
    assert set(include) == PACKAGES | {f"{package}.*" for package in PACKAGES}
    assert set(tools["mypy"]["packages"]) == PACKAGES
    assert set(tools["importlinter"]["root_packages"]) == PACKAGES
    assert set(tools["importlinter"]["contracts"][0]["layers"]) == FLOORS


@needs_checkout
def test_setup_knows_the_same_limits():
    script = (ROOT / "bin/setup").read_text(encoding="utf-8")
    (build_tool,) = pyproject()["build-system"]["requires"]
    oldest, newest = re.search(r"OLDEST=(\d+) NEWEST=(\d+)", script).groups()
    assert f"BUILD_TOOL='{build_tool}'" in script
    assert setup_cfg()["options"]["python_requires"] == f">=3.{oldest},<3.{int(newest) + 1}"


# ----- Our import names are ours --------------------------------------------------------------


def test_no_other_distribution_owns_an_import_name_of_ours():
    try:
        importlib.metadata.version("rvm-edge")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("rvm-edge is not installed here: the runtime is tried from the checkout")
    owners = importlib.metadata.packages_distributions()
    assert {name: set(owners.get(name, ())) for name in PACKAGES} == {
        name: {"rvm-edge"} for name in PACKAGES
    }


def test_no_import_name_of_ours_is_in_the_standard_library():
    assert not PACKAGES & sys.stdlib_module_names


# ----- The wheel ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel of the checkout, built beside it: building leaves traces where it happens."""
    pytest.importorskip("setuptools", minversion="77", reason="builds a wheel with setuptools")
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, tree)
    for package in PACKAGES | {"tests", "benchmarks"}:
        if (ROOT / package).exists():
            shutil.copytree(
                ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__")
            )
    build = [sys.executable, "-I", "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*build, "--no-index", "--wheel-dir", out, tree],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@needs_checkout
@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile, package: str):
    packed = {name for name in wheel.namelist() if name.startswith(f"{package}/")}
    assert packed == files_of(ROOT, package)


@needs_checkout
def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile):
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == PACKAGES


@needs_checkout
def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile):
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "rvm-edge = rvm_edge.cli:main" in wheel.read(entry_points).decode()


# ----- Rules switched off say why -------------------------------------------------------------


def test_every_rule_that_ruff_ignores_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.flake8")]
    entry = re.compile(r'^  "(?P<rule>[A-Z]+[0-9]*)",\s*(?P<reason># \S.*)?$', re.MULTILINE)
    rules = list(entry.finditer(section))
    assert [found["rule"] for found in rules if not found["reason"]] == []
    lint = pyproject()["tool"]["ruff"]["lint"]
    assert {found["rule"] for found in rules} >= set(lint["ignore"])


def test_every_dependency_has_its_reason():
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    core = text[text.index("install_requires") : text.index("[options.extras_require]")]
    entries = [line.strip() for line in core.splitlines()[1:] if line.strip()]
    assert entries[0].startswith("#")
    alone = [
        entry
        for before, entry in itertools.pairwise(entries)
        if not entry.startswith("#")
        and not before.startswith("#")
        # The second of two lines for one distribution, with another marker.
        and re.split(r"\W", before)[0] != re.split(r"\W", entry)[0]
    ]
    assert alone == []
