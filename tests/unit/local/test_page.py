"""The page's files and nothing else."""

from pathlib import Path

import pytest
from aiohttp import web

from local.gateway import page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Likes</h1>")
    (folder / "assets" / "app.js").write_text("1")
    (tmp_path / "secret.txt").write_text("not for you")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.mark.parametrize("path", ["", "/", "index.html", "assets/app.js", "/assets/../index.html"])
def test_files_of_the_page_are_served_and_asked_for_again_each_time(folder: Path, path: str) -> None:
    response = page.serve(folder, path)
    assert isinstance(response, web.FileResponse)
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "assets/../../secret.txt", "/etc/passwd", "link.txt", "assets", "nothing", "\0", "a" * 5000],
)
def test_nothing_outside_of_the_page_is_served(folder: Path, path: str) -> None:
    with pytest.raises(web.HTTPNotFound):
        page.serve(folder, path)


def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(web.HTTPNotFound) as refusal:
        page.serve(tmp_path / "missing", "/")
    assert "npm run build" in (refusal.value.text or "")
