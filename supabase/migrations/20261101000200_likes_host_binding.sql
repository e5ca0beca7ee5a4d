-- What ties the like engine to the host application, and all that an adopter edits: what can be liked, who people are,
-- who may see what, who is blocked, and where the host keeps its own count.

create view likes.likeable with (security_invoker = true) as
  select c.content_type, c.content_id, c.is_available, u.privacy_level = 'public' as is_public,
    c.author_id, u.username as author_username, u.display_name as author_display_name
  from (
    select 'post'::text as content_type, p.id as content_id, p.user_id as author_id, true as is_available from public.posts p
    union all
    select 'video'::text, v.id, v.user_id, v.status = 'ready' from public.videos v) c
  join public.users u on u.id = c.author_id;
comment on view likes.likeable is
  'Everything that can be liked, with its author. Unavailable content is as good as unknown; public content is visible to all but those whom the author has blocked.';

create view likes.profiles with (security_invoker = true) as
  select u.id as user_id, u.username, u.display_name, u.privacy_level = 'private' as is_private from public.users u;
comment on view likes.profiles is 'How those who like are named. The likes of private people are told to the author only.';

create function likes.can_view(user_id uuid, content_type text, content_id uuid) returns boolean
language plpgsql stable security definer set search_path = '' as $$ -- definer: the tables of the host are closed to the caller
declare
  v_author_id uuid;
begin
  select c.author_id into v_author_id from likes.likeable c
  where c.content_type = can_view.content_type and c.content_id = can_view.content_id and c.is_available;
  return found and public.can_see_author(can_view.user_id, v_author_id);
end;
$$;
comment on function likes.can_view is 'Whether a user (null: a visitor) may see a content that is not public, hence like it, read its count and join its channel.';

create view likes.blocks with (security_invoker = true) as
  select b.blocker_id as author_id, b.blocked_id as user_id from public.user_blocks b;
comment on view likes.blocks is 'Users whom an author has blocked: they can neither like nor be told of.';

create function likes.copy_counts(content_type text, content_ids uuid[], totals bigint[]) returns uuid[]
language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_free uuid[];
begin
  -- Skip locked: settling never waits for the host's own transactions, it comes back.
  if copy_counts.content_type = 'post' then
    with free as (
      select p.id, p.likes_count, c.total from unnest(content_ids, totals) c (id, total)
      join public.posts p on p.id = c.id for no key update of p skip locked),
    copied as (
      update public.posts p set likes_count = f.total from free f where p.id = f.id and f.likes_count <> f.total)
    select array_agg(f.id) into v_free from free f;
  else
    with free as (
      select v.id, v.likes_count, c.total from unnest(content_ids, totals) c (id, total)
      join public.videos v on v.id = c.id for no key update of v skip locked),
    copied as (
      update public.videos v set likes_count = f.total from free f where v.id = f.id and f.likes_count <> f.total)
    select array_agg(f.id) into v_free from free f;
  end if;
  return coalesce(v_free, '{}');
end;
$$;
comment on function likes.copy_counts is 'Copies totals to the host''s own column, and returns the contents that have theirs now; one whose row is busy is tried again.';

-- When a content goes, its likes have to be forgotten: settling does that, this only makes it due, without a lock.
create function likes.note_deletion() returns trigger
language plpgsql security definer set search_path = '' as $$ -- definer: whoever deletes content has no access to the engine
begin
  insert into likes.departures (content_type, content_id)
  select tg_argv[0], old.id
  where exists (select from likes.counters c where c.content_type = tg_argv[0] and c.content_id = old.id);
  return old;
end;
$$;
create trigger posts_note_deletion after delete on public.posts for each row execute function likes.note_deletion('post');
create trigger videos_note_deletion after delete on public.videos for each row execute function likes.note_deletion('video');

revoke execute on all functions in schema likes from public;
