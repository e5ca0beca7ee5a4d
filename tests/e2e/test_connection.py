"""The connection between real windows and the stack: cut, healed, offline and back."""

from playwright.sync_api import BrowserContext, WebSocketRoute, expect

from tests.e2e.author import Author
from tests.e2e.conftest import Windows
from tests.e2e.window import HEARTBEAT_MS


class Cable:
    """The WebSocket of a device, which a test can pull and plug in again."""

    def __init__(self, device: BrowserContext) -> None:
        self._plugged = True
        self._sockets: list[WebSocketRoute] = []
        device.route_web_socket("**/realtime/v1/websocket*", self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        if not self._plugged:
            socket.close(code=1011, reason="cut")
            return
        socket.connect_to_server()
        self._sockets.append(socket)

    def pull(self) -> None:
        """Cuts every connection, and every new one."""
        self._plugged = False
        for socket in self._sockets:
            socket.close(code=1011, reason="cut")
        self._sockets.clear()

    def plug(self) -> None:
        """Lets connections through again."""
        self._plugged = True


def test_without_realtime_the_page_polls_heals_and_comes_back_live(windows: Windows, author: Author) -> None:
    """A13, A16, B3: counts and notifications come by the heartbeat while Realtime is away, at once when it is back."""
    post = author.post("Somebody pulled the cable.")
    device = windows.device()
    cable = Cable(device)
    writer, bob = windows.open(author.username, device), windows.open("bob")
    writer.heart(post).shows(0, liked=False)
    expect(writer.unread).to_be_hidden()
    cable.pull()
    writer.is_connected("polling")
    bob.heart(post).tap()
    bob.heart(post).shows(1, liked=True)
    writer.heart(post).shows(1, liked=False, within_ms=HEARTBEAT_MS)
    expect(writer.unread).to_have_text("1", timeout=2 * HEARTBEAT_MS)
    cable.plug()
    writer.is_connected("live")
    bob.heart(post).tap()
    writer.heart(post).shows(0, liked=False)


def test_likes_work_while_realtime_is_away(windows: Windows, author: Author) -> None:
    """A13: the HTTP API works as ever."""
    post = author.post("Who needs a socket?")
    device = windows.device()
    cable = Cable(device)
    bob = windows.open("bob", device)
    cable.pull()
    bob.is_connected("polling")
    bob.heart(post).tap()
    bob.heart(post).shows(1, liked=True)
    assert author.likes(post) == 1


def test_the_switch_cuts_realtime_and_brings_it_back(windows: Windows, author: Author) -> None:
    """B6: the page shows that nothing breaks."""
    post = author.post("Off and on again.")
    bob, carol = windows.open("bob"), windows.open("carol")
    bob.heart(post).shows(0, liked=False)
    switch = bob.page.get_by_label("Realtime", exact=True)
    switch.uncheck()
    bob.is_connected("polling")
    carol.heart(post).tap()
    bob.heart(post).shows(1, liked=False, within_ms=HEARTBEAT_MS)
    switch.check()
    bob.is_connected("live")
    carol.heart(post).tap()
    bob.heart(post).shows(0, liked=False)


def test_a_like_tapped_offline_is_sent_once_when_back(windows: Windows, author: Author) -> None:
    """B3: it is shown as pending meanwhile, and no tap is lost or doubled."""
    post = author.post("In the tunnel.")
    bob, carol = windows.open("bob"), windows.open("carol")
    bob.heart(post).shows(0, liked=False)
    carol.heart(post).shows(0, liked=False)
    sent: list[str] = []
    bob.page.on(
        "request", lambda request: sent.append(request.method) if "/functions/v1/likes" in request.url else None
    )
    bob.page.context.set_offline(True)
    bob.is_connected("offline")
    bob.heart(post).tap()
    bob.heart(post).shows(1, liked=True, pending=True)
    assert sent == []
    bob.page.context.set_offline(False)
    bob.heart(post).shows(1, liked=True)
    carol.heart(post).shows(1, liked=False)
    bob.is_connected("live")
    assert sent.count("POST") == 1
    assert author.likes(post) == 1


def test_a_like_tapped_offline_survives_closing_the_tab(windows: Windows, author: Author) -> None:
    """B3: the outbox is kept; the next visit sends it."""
    post = author.post("Closed in the tunnel.")
    device = windows.device()
    bob = windows.open("bob", device)
    bob.heart(post).shows(0, liked=False)
    device.set_offline(True)
    bob.is_connected("offline")
    bob.heart(post).tap()
    bob.heart(post).shows(1, liked=True, pending=True)
    bob.page.close()
    device.set_offline(False)
    again = windows.open("bob", device)
    again.heart(post).shows(1, liked=True)
    assert author.likes(post) == 1


def test_tabs_of_one_person_agree_on_what_waits_and_send_it_once(windows: Windows, author: Author) -> None:
    """B3: both show the wish, one sends it."""
    post = author.post("Two tabs in the tunnel.")
    device = windows.device()
    one, two = windows.open("bob", device), windows.open("bob", device)
    sent: list[str] = []
    for window in (one, two):
        window.heart(post).shows(0, liked=False)
        window.page.on(
            "request", lambda request: sent.append(request.method) if "/functions/v1/likes" in request.url else None
        )
    device.set_offline(True)
    one.is_connected("offline")
    two.is_connected("offline")
    one.heart(post).tap()
    two.heart(post).shows(1, liked=True, pending=True)
    device.set_offline(False)
    for window in (one, two):
        window.heart(post).shows(1, liked=True)
    assert sent.count("POST") == 1
    assert author.likes(post) == 1
