"""The simulated world's items."""

import pytest

from models.world.catalogue import (
    CatalogueInvalid,
    UnknownItem,
    default_chamber_directory,
    load_catalogue,
)


def test_everything_listed_is_there(catalogue):
    assert len(catalogue) == 80
    for item in catalogue:
        assert item.picture.is_file()
        assert (default_chamber_directory() / "labels" / f"{item.name}.txt").is_file()


def test_expectations_follow_from_kinds(catalogue):
    for item in catalogue:
        expected = {("mineral",): "accept", (): "empty"}.get(item.kinds, "reject")
        assert item.expected == expected


@pytest.mark.parametrize("query", ["007_0001", "007_0001.jpg", "images/007_0001.jpg"])
def test_by_name(catalogue, query):
    (item,) = catalogue.find(query)
    assert (item.name, item.kinds, item.expected) == ("007_0001", ("mineral",), "accept")


def test_by_kind_the_plain_ones_first(catalogue):
    cans = catalogue.find("can")
    assert cans[0].kinds == ("can",)
    assert cans[-1].kinds == ("can", "mineral_full")
    assert all(not item.kinds for item in catalogue.find("empty"))


def test_every_kind_has_items(catalogue):
    assert "mineral" in catalogue.kinds
    assert all(catalogue.of_kind(kind) for kind in catalogue.kinds)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("mineal", "mineral"),
        ("007_001", "007_00"),
        ("xyz", "kinds: can"),
        ("", "kinds: can"),
    ],
)
def test_the_nearest_name_is_suggested(catalogue, query, hint):
    with pytest.raises(UnknownItem, match=hint):
        catalogue.find(query)


def test_no_such_kind(catalogue):
    with pytest.raises(UnknownItem, match="yogurt"):
        catalogue.of_kind("yoghurt")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read"),
        ("file,kinds,expected\na.jpg,can,reject\n", r"line 2.*a\.jpg"),
        ("file,kinds,expected\nb.jpg,can,perhaps\n", "line 2.*accept, reject"),
        ("file,kinds,expected\nb.jpg\n", "line 2"),
        ("\xff\n", "line|table"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path, content, says):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "b.jpg").touch()
    if content is not None:
        (tmp_path / "items.csv").write_text(content, encoding="latin-1")
    if content == "\xff\n":
        (tmp_path / "items.csv").write_bytes(b"file,kinds,expected\n\xff,can,reject\n")
    with pytest.raises(CatalogueInvalid, match=says):
        load_catalogue(tmp_path)
