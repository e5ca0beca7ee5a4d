"""The generated files: they fit the models, a difference is found, and what they say is valid JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from docs.generate import __main__ as generator
from docs.generate.openapi import OPERATIONS, document


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generator, "DOCS", tmp_path / "docs")
    return tmp_path / "docs"


def test_the_committed_files_fit_the_models() -> None:
    assert generator.main(check=True) == 0


def test_what_was_written_passes_the_check(elsewhere: Path) -> None:
    assert generator.main(check=True) == 1
    assert generator.main(check=False) == 0
    assert generator.main(check=True) == 0
    assert (elsewhere / "openapi.json").exists()


def test_changed_missing_and_stale_files_are_named(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator.main(check=False)
    (elsewhere / "openapi.json").write_text("{}")
    (elsewhere / "schemas" / "queue-message.json").unlink()
    (elsewhere / "schemas" / "old.json").write_text("{}")

    assert generator.main(check=True) == 1

    named = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in named] == [
        "docs/openapi.json",
        "docs/schemas/old.json",
        "docs/schemas/queue-message.json",
    ]
    generator.main(check=False)
    assert generator.main(check=True) == 0
    assert not (elsewhere / "schemas" / "old.json").exists()


@pytest.mark.parametrize("path", sorted(generator.generated()), ids=lambda path: path.name)
def test_every_schema_is_valid_and_complete(path: Path) -> None:
    schema = json.loads(path.read_text())
    if path.name != "openapi.json":
        jsonschema_rs.meta.validate(schema)
        jsonschema_rs.validator_for(schema)  # resolves every reference


def schema(name: str) -> Any:
    return jsonschema_rs.validator_for(json.loads((generator.DOCS / "schemas" / name).read_text()))


def test_schemas_take_the_good_and_refuse_the_bad() -> None:
    content = {"content_type": "post", "content_id": "5a4d4a1c-7fb0-4b8b-9a53-6f62a5a1a112"}
    like, message, removed = (
        schema("requests/like-request.json"),
        schema("queue-message.json"),
        schema("events/notification-removed.json"),
    )

    assert like.is_valid({**content, "liked": True, "intent": 5})
    for bad in (
        {"liked": None},
        {"liked": "true"},
        {"intent": -1},
        {"intent": 2**53},
        {"more": 1},
        {"content_id": "x"},
    ):
        assert not like.is_valid({**content, **bad})
    assert message.is_valid(content)
    assert not message.is_valid({"content_type": "post"})
    assert removed.is_valid({"id": content["content_id"], "added_by": "realtime.send"}), "events may carry more"


def test_every_route_is_documented_with_the_functions_own_methods() -> None:
    documented = document()["paths"]

    assert sum(len(methods) for methods in documented.values()) == len(OPERATIONS)
    for methods in documented.values():
        for operation in methods.values():
            assert {"200", "405", "500", "503"} <= operation["responses"].keys()
            assert ("401" in operation["responses"]) == bool(operation["security"])
