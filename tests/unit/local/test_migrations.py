"""Cutting SQL files into statements, which have to be the server's own idea of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.migrations import split

HIDING = (
    "select ';'",
    "select 'it''s; fine'",
    r"select E'a\';b'",
    'select 1 as "a;b"',
    'select 1 as "a"";b"',
    "select $$a;b$$",
    "select $body$ $$;$$ ; $body$",
    "select 1 -- not; here",
    "select /* nor; here */ 1",
    "select a$1 from t",
    "do $do$ begin perform 1; end $do$",
    "create function f() returns int language sql begin atomic select 1; select 2; end",
)


def test_statements_end_at_their_semicolons() -> None:
    assert list(split("select 1;\nselect 2 ;\n\nselect 3")) == ["select 1", "select 2", "select 3"]


@pytest.mark.parametrize("statement", HIDING)
def test_a_hidden_semicolon_ends_nothing(statement: str) -> None:
    assert list(split(f"{statement}\n;\nselect 2;")) == [statement, "select 2"]


@given(st.lists(st.sampled_from(HIDING)))
def test_any_sequence_is_cut_where_it_was_joined(statements: list[str]) -> None:
    assert list(split("\n;\n".join(statements))) == statements


def test_comments_stay_with_the_statement_after_them() -> None:
    assert list(split("-- Why; indeed.\nselect 1;")) == ["-- Why; indeed.\nselect 1"]


@pytest.mark.parametrize("sql", ["", "  \n", ";;", "-- only a comment", "/* and; another */ ;"])
def test_what_says_nothing_is_no_statement(sql: str) -> None:
    assert list(split(sql)) == []
