"""Cross-origin rules of the Supabase APIs: any page may call them, since a key and not a cookie says who asks."""

from aiohttp import web
from multidict import CIMultiDict

_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS"
_EXPOSED = "Content-Range,Content-Location,Location,Preference-Applied,Retry-After,X-Request-Id"


def is_preflight(request: web.BaseRequest) -> bool:
    """Whether a browser asks beforehand if it may call."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def preflight(request: web.BaseRequest) -> web.Response:
    """Yes, with whichever headers were asked for."""
    asked = request.headers.get("Access-Control-Request-Headers", "")
    headers = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": "3600",
    }
    return web.Response(status=204, headers={**headers, "Access-Control-Allow-Origin": "*"})


def open_to_all(headers: CIMultiDict[str]) -> None:
    """Let any page read an answer. Set, not added: two such headers would break every browser."""
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Access-Control-Expose-Headers"] = _EXPOSED
    headers.popall("Access-Control-Allow-Credentials", None)
