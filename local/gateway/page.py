"""Serves the demo page: the files that the client's build writes, and nothing outside of their folder."""

from pathlib import Path

from aiohttp import web

# The page changes with every build: browsers keep it, but ask each time (and mostly hear 304).
_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


def serve(folder: Path, path: str) -> web.StreamResponse:
    """The file at `path` of the page; a folder stands for its index.html.

    Raises:
        web.HTTPNotFound: there is none.
    """
    root = folder.resolve()
    file = _existing(root, path)
    if file is None:
        built = "" if root.is_dir() else " The page is not built: run npm run build --workspace client."
        raise web.HTTPNotFound(text=f"There is nothing here.{built}\n")
    return web.FileResponse(file, headers=_HEADERS)


def _existing(root: Path, path: str) -> Path | None:
    try:
        file = (root / path.lstrip("/")).resolve()
        if file.is_dir():
            file /= "index.html"
        # After resolving, so that neither .. nor a link leads out.
        return file if file.is_file() and file.is_relative_to(root) else None
    except (OSError, ValueError):  # A name too long, or with a zero byte.
        return None
