"""Likes between real windows: they travel, ring, roll back and stay out of a visitor's reach."""

import re

from playwright.sync_api import Route, expect

from tests.e2e.author import Author
from tests.e2e.conftest import Windows
from tests.e2e.window import HEARTBEAT_MS
from tests.stack import Stack


def test_a_tap_moves_the_count_in_the_other_window_and_rings_the_authors_bell(windows: Windows, author: Author) -> None:
    """A5, A6, B2, D3: liker, viewer and author see the same like, each in the own way."""
    post = author.post("The whole street smells of coffee today.")
    writer, bob, carol = windows.open(author.username), windows.open("bob"), windows.open("carol")
    for window in (writer, bob, carol):
        window.heart(post).shows(0, liked=False)
    bob.heart(post).tap()
    bob.heart(post).shows(1, liked=True)
    carol.heart(post).shows(1, liked=False)
    writer.heart(post).shows(1, liked=False)
    expect(writer.unread).to_have_text("1")
    expect(writer.page.locator("like-notifications [part=toast-open] span")).to_have_text("bob liked your post")
    assert author.likes(post) == 1
    expect(carol.page.locator("like-notifications [part=toast]")).to_have_count(0)


def test_taking_a_like_back_moves_the_count_back(windows: Windows, author: Author) -> None:
    """A9, B2: a second tap, even a rapid one, ends in the state that the person wished last."""
    post = author.post("Day 40 of learning the cello.")
    bob, carol = windows.open("bob"), windows.open("carol")
    carol.heart(post).shows(0, liked=False)
    for _tap in range(3):
        bob.heart(post).tap()
    bob.heart(post).shows(1, liked=True)
    carol.heart(post).shows(1, liked=False)
    bob.heart(post).tap()
    bob.heart(post).shows(0, liked=False)
    carol.heart(post).shows(0, liked=False)
    assert author.likes(post) == 0


def test_reading_the_notification_empties_the_bell(windows: Windows, author: Author) -> None:
    """A6, B5: the panel lists what happened; what was marked read is read after a reload too."""
    post = author.post("If your sourdough looks like a crime scene, feed it twice.")
    writer, bob = windows.open(author.username), windows.open("bob")
    expect(writer.unread).to_be_hidden()
    bob.heart(post).tap()
    expect(writer.unread).to_have_text("1")
    writer.page.locator("like-notifications [part=bell]").click()
    expect(writer.page.locator("like-notifications [part=item-message]").first).to_have_text("bob liked your post")
    writer.page.locator("like-notifications [part=read-all]").click()
    expect(writer.unread).to_be_hidden()
    with writer.page.expect_response("**/rpc/get_notifications"):
        writer.page.reload()
    writer.is_connected("live")
    expect(writer.page.locator("like-notifications [part=item-dot]").first).to_be_attached()
    expect(writer.unread).to_be_hidden()


def test_a_failed_request_is_rolled_back_with_its_reason(windows: Windows, author: Author) -> None:
    """B2: the heart and the count return to what holds, and the person reads why."""
    post = author.post("Small victory: the tests are green.")
    bob = windows.open("bob")
    bob.heart(post).shows(0, liked=False)
    problem = {"status": 500, "content_type": "application/problem+json", "body": '{"code": "internal", "title": "?"}'}
    bob.page.route("**/functions/v1/likes", lambda route: route.fulfill(**problem))
    bob.heart(post).tap()
    bob.heart(post).complains("That did not work. Your like was taken back.")
    bob.heart(post).shows(0, liked=False)
    assert author.likes(post) == 0


def test_a_function_that_does_not_answer_is_tried_again_and_then_rolled_back(windows: Windows, author: Author) -> None:
    """B2: the rest of the system answers, so this is no matter of being offline."""
    post = author.post("Found a garage that roasts on Tuesdays.")
    bob = windows.open("bob")
    bob.heart(post).shows(0, liked=False)
    tries: list[str] = []

    def hang_up(route: Route) -> None:
        tries.append(route.request.post_data or "")
        route.abort()

    bob.page.route("**/functions/v1/likes", hang_up)
    bob.heart(post).tap()
    bob.heart(post).complains("No answer from the server. Your like was taken back.")
    bob.heart(post).shows(0, liked=False)
    assert len(tries) == 2
    assert tries[0] == tries[1], "a repeated request carries the same intent"
    bob.is_connected("live")


def test_a_visitor_sees_counts_and_live_changes_but_cannot_like(windows: Windows, author: Author) -> None:
    """A2, A19, B6: public content is live for everybody; liking needs a sign-in."""
    post = author.post("The neighbours have started waving at me again.")
    visitor, bob = windows.open(), windows.open("bob")
    visitor.heart(post).shows(0, liked=False)
    bob.heart(post).tap()
    visitor.heart(post).shows(1, liked=False)
    visitor.heart(post).tap()
    visitor.heart(post).complains("Sign in to like.")
    visitor.heart(post).shows(1, liked=False)
    expect(visitor.page.locator("like-notifications")).to_be_hidden()
    assert author.likes(post) == 1


def test_two_tabs_of_one_browser_are_two_people(windows: Windows, author: Author) -> None:
    """B6: each tab signs in for itself, also after a reload."""
    post = author.post("Two windows, two people.")
    device = windows.device()
    bob, carol = windows.open("bob", device), windows.open("carol", device)
    carol.page.reload()
    carol.is_connected("live")
    expect(bob.page.locator("#who")).to_have_value("bob")
    expect(carol.page.locator("#who")).to_have_value("carol")
    bob.heart(post).tap()
    bob.heart(post).shows(1, liked=True)
    carol.heart(post).shows(1, liked=False)
    carol.heart(post).tap()
    for window in (bob, carol):
        window.heart(post).shows(2, liked=True)


def test_two_devices_of_one_person_agree(windows: Windows, author: Author) -> None:
    """A11, B3: a like on one fills the heart on the other."""
    post = author.post("Liked on the phone, red on the desk.")
    phone, desk = windows.open("bob"), windows.open("bob")
    desk.heart(post).shows(0, liked=False)
    phone.heart(post).tap()
    desk.heart(post).shows(1, liked=True)
    desk.heart(post).tap()
    # A change within the content's window is announced in a batch, which names nobody who took a like back.
    phone.heart(post).shows(0, liked=False, within_ms=HEARTBEAT_MS)


def test_somebody_else_can_sign_in_without_a_reload(windows: Windows, author: Author, stack: Stack) -> None:
    """B3, B6: hearts and bell are the next person's, and the live connection too."""
    post = author.post("Musical chairs.")
    window, bob = windows.open("carol"), windows.open("bob")
    window.heart(post).tap()
    window.heart(post).shows(1, liked=True)
    window.page.select_option("#who", "david")
    window.heart(post).shows(1, liked=False)
    window.is_connected("live")
    bob.heart(post).tap()
    window.heart(post).shows(2, liked=False)
    window.page.select_option("#who", "")
    expect(window.page.locator("like-notifications")).to_be_hidden()
    window.heart(post).shows(2, liked=False)
    assert stack.user("david").id != stack.user("carol").id


def test_text_from_others_is_never_markup(windows: Windows, author: Author) -> None:
    """B4, D4: what people write is shown as they wrote it."""
    text = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script> & <b>hello</b>"
    post = author.post(text)
    bob = windows.open("bob")
    card = bob.page.locator(f"[id='post:{post}']")
    expect(card.locator(".text")).to_have_text(text)
    assert card.locator("img, script, .text *").count() == 0
    assert bob.page.evaluate("window.hacked") is None


def test_the_heart_works_by_keyboard(windows: Windows, author: Author) -> None:
    """B5: reachable, labelled, pressed by the space bar, with a visible focus."""
    post = author.post("No mouse today.")
    bob = windows.open("bob")
    heart = bob.heart(post)
    heart.shows(0, liked=False)
    expect(heart.button).to_have_accessible_name(f"Like post by {author.name}")
    expect(heart.button).to_have_accessible_description("0 likes")
    bob.page.locator(f"[id='post:{post}']").focus()
    bob.page.keyboard.press("Tab")
    expect(heart.button).to_be_focused()
    assert heart.button.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    bob.page.keyboard.press("Space")
    heart.shows(1, liked=True)
    expect(heart.button).to_have_accessible_name(f"Like post by {author.name}")


def test_viewers_are_counted_and_named(windows: Windows, author: Author) -> None:
    """A14, A16: whoever has the post on the screen is counted; people with a public profile are named."""
    post = author.post("Who else is here?")
    bob, carol, visitor = windows.open("bob"), windows.open("carol"), windows.open()
    for window in (bob, carol, visitor):
        watching = window.page.locator(f"[id='post:{post}'] .watching")
        expect(watching).to_have_text(re.compile("3 watching$"), timeout=HEARTBEAT_MS)
    expect(bob.page.locator(f"[id='post:{post}'] .watching")).to_have_attribute(
        "title", re.compile("(@bob, @carol|@carol, @bob)"), timeout=HEARTBEAT_MS
    )


def test_the_page_fits_a_phone(windows: Windows, author: Author) -> None:
    """B5: no sideways scrolling, and hearts large enough for a finger, with every line of a card filled."""
    post = author.post("A word that is longer than any line: " + "a" * 200)
    phone, bob = windows.open("carol", windows.device(viewport={"width": 360, "height": 740})), windows.open("bob")
    bob.heart(post).tap()
    phone.heart(post).shows(1, liked=False)
    card = phone.page.locator(f"[id='post:{post}']").bounding_box()
    heart = phone.heart(post).button.bounding_box()
    assert card is not None
    assert heart is not None
    assert card["x"] + card["width"] <= 360
    assert min(heart["width"], heart["height"]) >= 44
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_nothing_jumps_while_the_feed_comes_to_life(windows: Windows, author: Author) -> None:
    """B5: counts, viewers and states have their places reserved (Chromium's layout shift score; good is under 0.1)."""
    post = author.post("Stand still.")
    device = windows.device()
    device.add_init_script(
        "window.shift = 0;"
        "new PerformanceObserver(list => list.getEntries().forEach(entry => { window.shift += entry.value }))"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    bob, carol = windows.open("bob", device), windows.open("carol")
    carol.heart(post).tap()
    bob.heart(post).shows(1, liked=False)
    assert bob.page.evaluate("window.shift") < 0.02
