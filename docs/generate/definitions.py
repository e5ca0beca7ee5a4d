"""The JSON Schemas (2020-12) of all models, each under its own name, as they are on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from docs.generate.events import EVENTS
from realtime_likes import models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    Json = dict[str, Any]

REQUESTS: Sequence[type[BaseModel]] = (
    models.LikeRequest,
    models.Contents,
    models.ReadRequest,
    models.MuteRequest,
    models.NotificationSettings,
)
ANSWERS: Sequence[type[BaseModel]] = (
    models.LikeAnswer,
    models.LikeStatus,
    models.LikeStatuses,
    models.LikedContents,
    models.Likers,
    models.Author,
    models.ContentAuthors,
    models.Notifications,
    models.Marked,
    models.Muted,
    models.NotificationsEnabled,
    models.Health,
)
QUEUE_MESSAGE = models.Content


class _WithoutTitles(GenerateJsonSchema):
    """Schemas whose fields have no titles: they would repeat the names, and TypeScript would get a type for each."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        return False


def definitions(ref_template: str = "#/$defs/{model}") -> Json:
    """Every model by its name. Answers and events are described as sent, requests as accepted."""
    asked = [
        *((model, "validation") for model in (*REQUESTS, QUEUE_MESSAGE, models.Problem)),
        *((model, "serialization") for model in (*ANSWERS, *dict.fromkeys(EVENTS.values()))),
    ]
    _, schema = models_json_schema(asked, by_alias=True, ref_template=ref_template, schema_generator=_WithoutTitles)  # type: ignore[arg-type]  # the modes are the literals it wants
    found: Json = schema["$defs"]
    return dict(sorted(found.items()))


def query_parameters(model: type[BaseModel]) -> list[Json]:
    """A model of a query string as OpenAPI parameters."""
    schema = model.model_json_schema(schema_generator=_WithoutTitles)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in schema["properties"].items()
    ]
