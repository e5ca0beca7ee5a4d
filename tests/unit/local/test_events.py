"""Events as a developer reads them, whatever comes."""

import pytest

from local.events import sentence

LIKE = {"username": "bob", "isLiked": True, "contentType": "post", "postId": "p1", "totalLikes": 1, "version": 7}
BATCH = {"contentType": "video", "contentId": "v1", "likerCount": 60, "likerIds": ["x"] * 50, "totalLikes": 61}
NOTIFICATION = {"id": "n1", "title": "New Like!", "message": "bob liked your post", "isRead": False}


@pytest.mark.parametrize(
    ("name", "payload", "said"),
    [
        ("post:liked", LIKE | {"viewers": 1}, "bob likes post p1: 1 like, version 7, 1 viewer"),
        (
            "post:unliked",
            LIKE | {"username": None, "isLiked": False, "totalLikes": 0, "viewers": 0},
            "somebody private no longer likes post p1: 0 likes, version 7, 0 viewers",
        ),
        (
            "post:likes_batched",
            BATCH | {"version": 8, "viewers": 3},
            "60 new likes (50 named) of video v1: 61 likes, version 8, 3 viewers",
        ),
        ("notification:new", NOTIFICATION, "New Like! bob liked your post (unread, id n1)"),
        ("notification:updated", NOTIFICATION | {"isRead": True}, "New Like! bob liked your post (read, id n1)"),
        ("notification:removed", {"id": "n1"}, "id n1"),
        ("chat:said", {"text": "hi"}, '{"text": "hi"}'),
        ("post:liked", {"username": "bob"}, '{"username": "bob"}'),
    ],
)
def test_each_event_is_one_sentence(name: str, payload: dict[str, object], said: str) -> None:
    assert sentence(name, payload) == said
