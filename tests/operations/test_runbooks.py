"""What the runbooks tell an operator to type works, and finds what it is said to find."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.integration.engine.world import World
from tests.stack import ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*(DOCS / "operations").glob("*.md"), *DOCS.glob("deploy.md")])


def blocks(page: Path) -> list[str]:
    """The SQL of a page: its blocks, and the statements within its sentences."""
    text = page.read_text()
    return re.findall(r"```sql\n(.*?) *```", text, re.DOTALL) + re.findall(r"`((?:update|vacuum) [^`]*;)`", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_sql_of_a_page_runs_as_the_role_that_supabase_gives(world: World, page: Path) -> None:
    content = world.post()
    world.db.like(world.user(), content, liked=True)
    for block in blocks(page):
        for statement in re.split(r";\s*$", block, flags=re.MULTILINE):
            if statement.strip():
                world.db.connection.execute(statement.encode())


def test_what_waits_is_settled_by_hand_as_a_runbook_says(world: World) -> None:
    content = world.post()
    world.db.like(world.user(), content, liked=True)
    world.db.run("update likes.activity set settle_due_at = '-infinity'")
    (by_hand,) = (block for block in blocks(DOCS / "operations" / "drain.md") if "settle_likes" in block)
    world.db.connection.execute(by_hand.encode())
    assert world.activity(content)["unsettled_since"] is None
    assert world.db.value("select likes_count from public.posts where id = %s", content.id) == 1


def test_the_runbook_of_drift_shows_who_may_write_and_whether_the_triggers_are_there(world: World) -> None:
    (who,) = (block for block in blocks(DOCS / "operations" / "drift.md") if "role_table_grants" in block)
    grants, triggers = (statement for statement in who.split(";") if statement.strip())
    assert world.db.connection.execute(grants.encode()).fetchall() == []
    assert ("likes.content_likes", "content_likes_count_departed", "O") in rows(world, triggers)
    world.db.run("alter table likes.content_likes disable trigger content_likes_count_departed")
    assert ("likes.content_likes", "content_likes_count_departed", "D") in rows(world, triggers)


def rows(world: World, query: str) -> list[tuple[object, ...]]:
    cursor: psycopg.Cursor[tuple[object, ...]] = world.db.connection.execute(query.encode())
    return cursor.fetchall()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", page.read_text()):
        other = (page.parent / target) if target else page
        assert other.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in {slug(line) for line in other.read_text().splitlines() if line.startswith("#")}


COMMANDS = {
    "npx supabase": [str(ROOT / "node_modules" / ".bin" / "supabase")],
    "npx serverless": [str(ROOT / "node_modules" / ".bin" / "serverless")],
    "bin/deploy": [sys.executable, "-m", "infra.deploy"],
    "bin/backfill": [sys.executable, "-m", "backfill"],
}


def named_commands() -> dict[tuple[str, str], set[str]]:
    """The options with which the pages call each subcommand of each program."""
    found: dict[tuple[str, str], set[str]] = {}
    call = re.compile(rf"({'|'.join(COMMANDS)})((?: [a-z][a-z-]*)*)([^`\n#&|]*)")
    for page in PAGES:
        text = re.sub(r"^#+ .*$", "", page.read_text(), flags=re.MULTILINE)  # headings call nothing
        for program, words, rest in call.findall(text):
            # `bin/deploy … -- …` hands what follows to another program; of `projects create likes`, likes is a name
            options = re.findall(r"(?<=\s)--[a-z][a-z-]*", rest.split(" -- ")[0])
            found.setdefault((program, words.removesuffix(" likes").strip()), set()).update(options)
    return {command: options for command, options in found.items() if options}  # to ask for help takes a second


def test_the_commands_of_the_pages_exist_with_their_options() -> None:
    commands = named_commands()
    assert len(commands) > 6
    with ThreadPoolExecutor(2) as pool:
        for command, told in zip(commands, pool.map(help_of, commands), strict=True):
            assert command[1] in told, command
            assert {option for option in commands[command] if not re.search(rf"{option}\b", told)} == set(), command


def help_of(command: tuple[str, str]) -> str:
    program, words = command
    asked = [*COMMANDS[program], *words.split(), "--help"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return "#" + re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-")
