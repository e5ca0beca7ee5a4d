"""Several functions behind one server: each sees the paths that it would see alone."""

from pathlib import Path

import pytest
from werkzeug.test import Client

from local.functions import build

SOURCE = """
def likes(request):
    return {"function": "likes", "path": request.path, "method": request.method}

def authors(request):
    return {"function": "authors", "path": request.path, "method": request.method}
"""


@pytest.fixture
def client(tmp_path: Path) -> Client:
    source = tmp_path / "main.py"
    source.write_text(SOURCE)
    return Client(build(source, ("likes", "authors")))


@pytest.mark.parametrize(
    ("path", "function", "seen"),
    [
        ("/likes", "likes", "/"),
        ("/likes/", "likes", "/"),
        ("/likes/status?a=1", "likes", "/status"),
        ("/authors", "authors", "/"),
    ],
)
def test_each_function_answers_under_its_name_and_sees_the_rest_of_the_path(
    client: Client, path: str, function: str, seen: str
) -> None:
    assert client.post(path).json == {"function": function, "path": seen, "method": "POST"}


def test_the_root_lists_the_functions_and_an_unknown_one_is_404(client: Client) -> None:
    assert client.get("/").json == ["likes", "authors"]
    assert client.get("/nothing").status_code == 404


def test_a_function_that_the_source_does_not_have_stops_the_start(tmp_path: Path) -> None:
    source = tmp_path / "main.py"
    source.write_text(SOURCE)
    with pytest.raises(Exception, match="drain"):
        build(source, ("likes", "drain"))
