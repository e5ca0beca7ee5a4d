"""The models build their validators with the first use, and that may come in many threads at once."""

from __future__ import annotations

import importlib.util
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import TypeAdapter

from realtime_likes import models

THREADS = 12
ROUNDS = 20
USER = str(uuid.uuid4())
POST = {"content_type": "post", "content_id": str(uuid.uuid4())}
TOGGLED = {
    "liked": True,
    "total_likes": 1,
    "changed": True,
    "version": 1,
    "intent": 1,
    "viewers": 0,
    "author": {"id": USER, "username": "ada", "display_name": None},
    "wake_after_ms": None,
}


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that are changed as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def freshly_imported() -> Any:
    spec = importlib.util.find_spec(models.__name__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.usefixtures("restless")
def test_the_first_requests_of_a_process_may_come_all_at_once() -> None:
    for _ in range(ROUNDS):
        fresh = freshly_imported()
        shape: TypeAdapter[Any] = TypeAdapter(fresh.Toggled)
        assert not fresh.LikeRequest.__pydantic_complete__, "what is not built yet is the case to be tested"
        together = threading.Barrier(THREADS)

        def like(_: int, fresh: Any = fresh, shape: Any = shape, together: Any = together) -> str:
            together.wait()
            request = fresh.LikeRequest.model_validate({**POST, "liked": True})
            toggled = shape.validate_python(TOGGLED)
            answer = fresh.LikeAnswer.model_validate({**toggled.model_dump(), **POST, "intent": request.intent or 1})
            return str(answer.model_dump_json())

        with ThreadPoolExecutor(THREADS) as threads:
            answers = set(threads.map(like, range(THREADS)))
        assert len(answers) == 1


def test_what_was_not_built_yet_refuses_as_strictly() -> None:
    fresh = freshly_imported()
    with pytest.raises(ValueError, match="liked"):
        fresh.LikeRequest.model_validate({**POST, "liked": "yes"})
