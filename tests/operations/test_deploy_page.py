"""docs/deploy.md is true: its commands make a first like, and its example ties the engine to somebody else's tables."""

import os
import re
import subprocess
from uuid import UUID, uuid4

import pytest

from tests.integration.engine.session import Content
from tests.integration.engine.world import World
from tests.operations.project import Project
from tests.stack import ROOT

PAGE = ROOT / "docs" / "deploy.md"

# An application that has nothing in common with the example host.
_OTHER_HOST = """
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, handle text, name text);
create table public.articles (
  id uuid primary key, author_id uuid not null references public.profiles (id) on delete cascade, title text,
  published_at timestamptz not null default now());
"""
# As if neither our migrations nor the example host had ever been there.
_WIPE = """
drop schema likes, monitoring cascade;
drop table public.users, public.posts, public.videos, public.friendships, public.user_blocks cascade;
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid from pg_proc p where p.pronamespace = 'public'::regnamespace
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
  loop
    execute format('drop function %s cascade', v_function);
  end loop;
end
$$;
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_first_like_is_made_as_the_page_says(project: Project) -> None:
    stack = project.stack
    (script,) = (block for block in blocks("bash") if "SESSION=" in block)
    environment = {
        "URL": stack.url,
        "PUBLISHABLE_KEY": stack.publishable_key,
        "SECRET_KEY": stack.secret_key,
        "LIKES_URL": f"{stack.url}/functions/v1/likes",
        "EMAIL": "zara@example.com",
        "PASSWORD": "password123",
    }
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"liked":true') == 2, done.stdout
    assert len(re.findall(r'"total_likes": ?1\b', done.stdout)) == 2


@pytest.fixture
def other_app(world: World) -> World:
    """The engine on other tables, by the page's binding and without the example host."""
    (binding,) = blocks("postgresql")
    world.db.connection.execute(_WIPE)
    world.db.connection.execute(_OTHER_HOST)
    for migration in sorted((ROOT / "supabase" / "migrations").glob("*_likes_*.sql")):
        text = binding if "host_binding" in migration.name else migration.read_text()
        world.db.connection.execute(text.encode())
    return world


def test_the_engine_serves_an_application_with_tables_of_its_own(other_app: World) -> None:
    author, reader = member(other_app, "ann"), member(other_app, "bob")
    article = Content("post", uuid4(), author)
    other_app.db.run("insert into public.articles (id, author_id) values (%s, %s)", article.id, author)
    answer = other_app.db.like(reader, article, liked=True)
    assert (answer["total_likes"], answer["author"]["username"]) == (1, "ann")
    other_app.db.run("update likes.activity set settle_due_at = '-infinity', window_ends_at = '-infinity'")
    (settled,) = other_app.db.value("select public.settle_likes(public.unsettled_likes())")
    assert (settled["outcome"], settled["notifications"]) == ("settled", 1)
    (told,) = (message for message in other_app.messages(f"user:{author}") if message.event == "notification:new")
    assert told.payload["message"] == "bob liked your article"
    assert other_app.db.value("select count(*) from monitoring.drift") == 0


def test_an_article_that_is_deleted_takes_its_likes_along(other_app: World) -> None:
    author, reader = member(other_app, "ann"), member(other_app, "bob")
    article = Content("post", uuid4(), author)
    other_app.db.run("insert into public.articles (id, author_id) values (%s, %s)", article.id, author)
    other_app.db.like(reader, article, liked=True)
    other_app.db.run("delete from public.articles where id = %s", article.id)
    other_app.db.run("update likes.activity set settle_due_at = null")
    other_app.db.run("select public.settle_likes(public.unsettled_likes())")
    assert other_app.db.value("select count(*) from likes.content_likes") == 0


def member(world: World, handle: str) -> UUID:
    user = uuid4()
    world.db.run("insert into auth.users (id, email) values (%s, %s)", user, f"{handle}@example.com")
    world.db.run("insert into public.profiles values (%s, %s, %s)", user, handle, handle.title())
    return user
