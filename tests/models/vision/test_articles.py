"""The list of articles is read strictly: all of it, or none of it and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.articles import (
    ARTICLES_MAX,
    HEADER,
    MATERIALS,
    Article,
    chamber_articles_file,
    load_articles,
)
from models.vision.barcode import check_digit
from models.vision.errors import ArticlesInvalid

HEAD = ",".join(HEADER)


def written(tmp_path, *lines, head=HEAD, encoding="utf-8"):
    path = tmp_path / "articles.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding=encoding)
    return path


def refused(path) -> str:
    with pytest.raises(ArticlesInvalid) as caught:
        load_articles(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_the_list_that_ships_is_right():
    articles = load_articles(chamber_articles_file())
    assert articles["2000000000008"] == Article(
        "2000000000008", "Spring water 0.33 l", "pet", accepted=True
    )
    # 200 to 299 are numbers for one's own use: they are nobody's article.
    assert all(ean.startswith("2") for ean in articles)
    assert {article.accepted for article in articles.values()} == {True, False}


def test_names_with_commas_and_upcs_and_spreadsheets_are_fine(tmp_path):
    line = '036000291452," Water, still ", pet ,yes'
    (article,) = load_articles(written(tmp_path, line, encoding="utf-8-sig")).values()
    assert article == Article("0036000291452", "Water, still", "pet", accepted=True)


@given(
    st.dictionaries(
        st.text("0123456789", min_size=12, max_size=12),
        st.tuples(
            st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=40),
            st.sampled_from(MATERIALS),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_what_is_written_is_what_is_read(tmp_path_factory, wanted):
    tmp_path = tmp_path_factory.mktemp("list")
    known = {twelve + str(check_digit(twelve)): article for twelve, article in wanted.items()}
    lines = [
        f'{ean},"{name.replace(chr(34), chr(34) * 2)}",{material},{"yes" if accepted else "no"}'
        for ean, (name, material, accepted) in known.items()
    ]
    articles = load_articles(written(tmp_path, *lines))
    assert dict(articles) == {
        ean: Article(ean, name, material, accepted=accepted)
        for ean, (name, material, accepted) in known.items()
    }


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("4006381333930,Pen,other,yes", "'4006381333930' is no EAN-13"),
        ("96385074,Pen,other,yes", "no EAN-13"),
        ("4.00638E+12,Pen,other,yes", "no EAN-13"),
        ("4006381333931,,other,yes", "printable characters"),
        (f"4006381333931,{'x' * 201},other,yes", "printable characters"),
        ("4006381333931,a\tb,other,yes", "printable characters"),
        ("4006381333931,Pen,plastic,yes", "'plastic' is none of can, carton"),
        ("4006381333931,Pen,PET,yes", "'PET' is none of"),
        ("4006381333931,Pen,other,true", "yes or no, not 'true'"),
        ("4006381333931,Pen,other", "has 3 values, not 4"),
        ("4006381333931,Pen, blue,other,yes", "put a name with a comma in quotes"),
        ('4006381333931,"Pen"x,other,yes', "is no table"),
    ],
)
def test_a_wrong_line_is_named_with_its_cure(tmp_path, line, says):
    good = "2000000000008,Water,pet,yes"
    message = refused(written(tmp_path, good, "", line))
    assert says in message
    assert "line 4" in message or "no table" in message


def test_an_article_stands_in_the_list_once(tmp_path):
    line = "2000000000008,Water,pet,yes"
    assert "line 3: 2000000000008 stands in line 2" in refused(written(tmp_path, line, line))
    upc = ("036000291452,A,pet,yes", "0036000291452,B,pet,no")
    assert "stands in line 2" in refused(written(tmp_path, *upc))


@pytest.mark.parametrize("head", ["", "ean;name;material;accepted", "ean,name", "EAN,Name"])
def test_another_header_is_refused(tmp_path, head):
    assert "line 1: wants ean,name,material,accepted" in refused(written(tmp_path, head=head))


def test_what_is_no_text_file_is_refused(tmp_path):
    assert "cannot read" in refused(tmp_path / "none.csv")
    assert "cannot read" in refused(tmp_path)
    path = written(tmp_path, "4006381333931,Füller,other,yes", encoding="latin-1")
    assert "save it as CSV UTF-8" in refused(path)


def test_a_list_has_an_end(tmp_path):
    lines = (f"{n:012}{check_digit(f'{n:012}')},n,pet,yes" for n in range(ARTICLES_MAX + 1))
    assert f"more than {ARTICLES_MAX} articles" in refused(written(tmp_path, *lines))
