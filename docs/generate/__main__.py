"""`python -m docs.generate` writes the generated files; `--check` names those that differ from the models and fails."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.generate.definitions import ANSWERS, QUEUE_MESSAGE, REQUESTS, definitions
from docs.generate.events import EVENTS
from docs.generate.openapi import document

if TYPE_CHECKING:
    from pydantic import BaseModel

DOCS = Path(__file__).parent.parent


def generated() -> dict[Path, str]:
    """The text of every generated file."""
    every = definitions()
    files = {DOCS / "openapi.json": document(), DOCS / "schemas" / "all.json": {**_HEAD, "$defs": every}}
    for folder, models in (("requests", REQUESTS), ("answers", ANSWERS)):
        files |= {DOCS / "schemas" / folder / f"{_kebab(m.__name__)}.json": _one(m, every) for m in models}
    for event, model in EVENTS.items():
        files[DOCS / "schemas" / "events" / f"{event.replace(':', '-').replace('_', '-')}.json"] = _one(model, every)
    files[DOCS / "schemas" / "queue-message.json"] = _one(QUEUE_MESSAGE, every)
    return {path: json.dumps(content, indent=2) + "\n" for path, content in files.items()}


_HEAD = {"$schema": "https://json-schema.org/draft/2020-12/schema"}


def _one(model: type[BaseModel], every: dict[str, Any]) -> dict[str, Any]:
    """The schema of one model, with the definitions that it needs."""
    needed: dict[str, Any] = {}
    asked = [model.__name__]
    while asked:
        name = asked.pop()
        if name not in needed:
            needed[name] = every[name]
            asked += re.findall(r'"#/\$defs/(\w+)"', json.dumps(every[name]))
    root = needed.pop(model.__name__)
    return {**_HEAD, **root, **({"$defs": dict(sorted(needed.items()))} if needed else {})}


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def main(*, check: bool) -> int:
    """Writes what differs, or names it. Returns the exit status."""
    files = generated()
    stale = {path for path in (DOCS / "schemas").rglob("*.json") if path not in files}
    different = {path for path, text in files.items() if not path.exists() or path.read_text() != text}
    if check:
        for path in sorted(stale | different):
            sys.stderr.write(f"{path.relative_to(DOCS.parent)} does not fit the models: run bin/generate\n")
        return 1 if stale | different else 0
    for path in stale:
        path.unlink()
    for path in different:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
