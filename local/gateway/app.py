"""The gateway's routes: which path belongs to which part, and what is changed on the way."""

from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from local.gateway import cors, page
from local.gateway.config import GatewayConfig
from local.gateway.forward import Forward, end_to_end, failure, forward, iso_times, new_session
from local.gateway.keys import KeyRing
from local.gateway.tunnel import Tunnels, is_upgrade

_REST: Final = "/rest/v1"
_AUTH: Final = "/auth/v1"
_REALTIME: Final = "/realtime/v1"
_FUNCTIONS: Final = "/functions/v1"


class Gateway:
    """The handlers. Each gets a request and answers with what the part behind the path says."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._keys = KeyRing({config.publishable_key: config.anon_token, config.secret_key: config.service_token})
        self._tunnels = Tunnels()
        self._session: aiohttp.ClientSession

    def application(self) -> web.Application:
        """The web application with all routes."""
        app = web.Application()
        app.cleanup_ctx.append(self._connected)
        app.on_shutdown.append(self._shut)
        for prefix, handler in ((_REST, self.rest), (_AUTH, self.auth), (_REALTIME, self.realtime)):
            app.router.add_route("*", prefix + "{path:(/.*)?}", handler)
        app.router.add_route("*", _FUNCTIONS + "/{name:[^/]+}{path:(/.*)?}", self.functions)
        app.router.add_get("/local/config", self.page_config)
        app.router.add_get("/{path:.*}", self.page)
        return app

    async def rest(self, request: web.Request) -> web.StreamResponse:
        """PostgREST."""
        if cors.is_preflight(request):
            return cors.preflight(request)
        target = _beneath(self._config.rest, request, _REST)
        return await forward(self._session, request, Forward(target, self._as_role(request), cors.open_to_all))

    async def auth(self, request: web.Request) -> web.StreamResponse:
        """Supabase Auth, whose times are rewritten."""
        if cors.is_preflight(request):
            return cors.preflight(request)
        headers = self._as_role(request)
        headers.popall("Accept-Encoding", None)  # Only a plain answer can be rewritten.
        target = URL(self._config.auth + request.raw_path, encoded=True)
        return await forward(self._session, request, Forward(target, headers, cors.open_to_all, iso_times))

    async def realtime(self, request: web.Request) -> web.StreamResponse:
        """Supabase Realtime: sockets, and its REST API."""
        if cors.is_preflight(request):
            return cors.preflight(request)
        if not is_upgrade(request):
            target = _beneath(self._config.realtime, request, _REALTIME)
            return await forward(self._session, request, Forward(target, self._as_role(request), cors.open_to_all))
        try:
            return await self._tunnels.join(request, self._socket(request))
        except OSError:
            return failure(request, 503, "is not running")

    async def functions(self, request: web.Request) -> web.StreamResponse:
        """Our functions, untouched: they answer CORS by themselves."""
        target = _beneath(self._config.functions, request, _FUNCTIONS)
        return await forward(self._session, request, Forward(target, end_to_end(request.headers)))

    async def page_config(self, _: web.Request) -> web.StreamResponse:
        """What the page needs to know: where the APIs are and whom it may sign in as."""
        users = [user.model_dump() for user in self._config.users]
        url = f"http://{self._config.host}:{self._config.port}"
        body = {"url": url, "publishable_key": self._config.publishable_key, "users": users}
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Everything else is a file of the page."""
        return page.serve(self._config.page, request.match_info["path"])

    def _as_role(self, request: web.Request) -> CIMultiDict[str]:
        headers = end_to_end(request.headers)
        given = self._keys.authorization(headers.get("Authorization"), headers.get("apikey"))
        headers.popall("Authorization", None)
        if given is not None:
            headers["Authorization"] = given
        return headers

    def _socket(self, request: web.Request) -> URL:
        """Where Realtime itself has its sockets; the key in the query is translated (Realtime knows JWTs only)."""
        target = URL(self._config.realtime + "/socket" + request.raw_path.removeprefix(_REALTIME), encoded=True)
        key = target.query.get("apikey")
        return target if key is None else target.update_query(apikey=self._keys.token(key))

    async def _connected(self, _: web.Application) -> AsyncIterator[None]:
        async with new_session() as self._session:
            yield

    async def _shut(self, _: web.Application) -> None:
        self._tunnels.close()


def _beneath(base: str, request: web.Request, prefix: str) -> URL:
    """The same path on the part, without the prefix that the gateway gave it."""
    return URL(base + (request.raw_path.removeprefix(prefix) or "/"), encoded=True)
