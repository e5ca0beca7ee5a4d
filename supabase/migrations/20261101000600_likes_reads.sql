-- Reads and the heartbeat. They return the announced pair (total, version) and never mint a version of their own.

-- json, not jsonb: it is written once and never looked into, which takes a third of the time.
create function public.get_like_status(items jsonb) returns json
language plpgsql stable security definer set search_path = '' -- definer: API roles have no access to the engine's tables
-- As in toggle_like: lookups by key, plans kept.
set plan_cache_mode = 'force_generic_plan' set enable_seqscan = 'off' set jit = 'off' as $$
declare
  v_user_id uuid := (select auth.uid());
  v_now timestamptz := likes.clock();
begin
  return (
    select coalesce(json_agg(f), '[]') from (
      select i.content_type, i.content_id, coalesce(l.liked, false) as liked, coalesce(l.intent, 0) as intent,
        coalesce(a.announced_total, 0) as total_likes, coalesce(a.announced_version, 0) as version, coalesce(r.viewers, 0) as viewers
      from likes.visible_items(get_like_status.items, v_user_id) i
      left join likes.activity a on a.content_type = i.content_type and a.content_id = i.content_id
      left join likes.content_likes l on l.content_type = i.content_type and l.content_id = i.content_id and l.user_id = v_user_id
      left join likes.rooms r
        on r.content_type = i.content_type and r.content_id = i.content_id and r.good_until > v_now) f);
end;
$$;
comment on function public.get_like_status is 'Like state and count of the contents (100 at most) that the caller may see.';

create function public.get_user_liked_content(content_type text default null, cursor text default null, max integer default 20) returns jsonb
language plpgsql stable security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
declare
  v_user_id uuid := likes.require_user();
  v_max integer := likes.check_page(get_user_liked_content.max);
  v_from record := likes.from_cursor(get_user_liked_content.cursor);
  v_page jsonb[];
  v_last record;
begin
  if get_user_liked_content.content_type is not null then
    perform likes.check_content(get_user_liked_content.content_type, v_user_id, (select s from likes.settings s));
  end if;
  select array_agg(to_jsonb(f)) into v_page from (
    select l.content_type, l.content_id, l.changed_at as liked_at, coalesce(a.announced_total, 0) as total_likes,
      likes.author(c.author_id, c.author_username, c.author_display_name) as author
    from likes.content_likes l
    cross join lateral (
      select c.* from likes.likeable c where c.content_type = l.content_type and c.content_id = l.content_id limit 1) c
    left join likes.activity a on a.content_type = l.content_type and a.content_id = l.content_id
    where l.user_id = v_user_id and l.liked and (l.changed_at, l.content_id) < (v_from.moment, v_from.id)
      and (get_user_liked_content.content_type is null or l.content_type = get_user_liked_content.content_type)
      and c.is_available and ( -- as likes.visible_items
        (c.is_public and not exists (select from likes.blocks b where b.author_id = c.author_id and b.user_id = v_user_id))
        or c.author_id = v_user_id or likes.can_view(v_user_id, c.content_type, c.content_id))
    order by l.changed_at desc, l.content_id desc limit v_max + 1) f;
  return jsonb_build_object(
    'items', coalesce(to_jsonb(v_page[1:v_max]), '[]'),
    'next_cursor', case when cardinality(v_page) > v_max then
      likes.to_cursor((v_page[v_max] ->> 'liked_at')::timestamptz, (v_page[v_max] ->> 'content_id')::uuid) end);
end;
$$;
comment on function public.get_user_liked_content is 'What the caller likes, newest first, a page at a time.';

create function public.get_content_likers(content_type text, content_id uuid, cursor text default null, max integer default 20) returns jsonb
language plpgsql stable security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
declare
  v_user_id uuid := (select auth.uid());
  v_max integer := likes.check_page(get_content_likers.max);
  v_from record := likes.from_cursor(get_content_likers.cursor);
  v_author jsonb := public.get_content_author(get_content_likers.content_type, get_content_likers.content_id);
  v_page jsonb[];
begin
  select array_agg(to_jsonb(f)) into v_page from (
    select l.user_id as id, p.username, p.display_name, l.changed_at as liked_at
    from likes.content_likes l
    join likes.profiles p on p.user_id = l.user_id
    where l.content_type = get_content_likers.content_type and l.content_id = get_content_likers.content_id and l.liked
      and (l.changed_at, l.user_id) < (v_from.moment, v_from.id)
      -- Private people are named to the author and to themselves; whom the author or the caller has blocked, to nobody.
      and (not p.is_private or v_user_id in (l.user_id, (v_author ->> 'id')::uuid))
      and not exists (
        select from likes.blocks b
        where b.user_id = l.user_id and b.author_id in ((v_author ->> 'id')::uuid, v_user_id))
    order by l.changed_at desc, l.user_id desc limit v_max + 1) f;
  return jsonb_build_object(
    'likers', coalesce(to_jsonb(v_page[1:v_max]), '[]'),
    'total_likes', coalesce((
      select a.announced_total from likes.activity a
      where a.content_type = get_content_likers.content_type and a.content_id = get_content_likers.content_id), 0),
    'next_cursor', case when cardinality(v_page) > v_max then
      likes.to_cursor((v_page[v_max] ->> 'liked_at')::timestamptz, (v_page[v_max] ->> 'id')::uuid) end);
end;
$$;
comment on function public.get_content_likers is 'Who likes a content, newest first, a page at a time.';

create function public.get_content_authors(items jsonb) returns jsonb
language sql stable security definer set search_path = '' as $$ -- definer: the tables of the host may be closed to the caller
  select coalesce(jsonb_agg(jsonb_build_object(
    'content_type', i.content_type, 'content_id', i.content_id,
    'author', likes.author(i.author_id, i.author_username, i.author_display_name))), '[]')
  from likes.visible_items(get_content_authors.items, (select auth.uid())) i
$$;
comment on function public.get_content_authors is 'The authors of the contents (100 at most) that the caller may see.';

create function public.get_content_author(content_type text, content_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$ -- definer: the tables of the host may be closed to the caller
declare
  v_found jsonb;
begin
  perform likes.check_content(get_content_author.content_type, get_content_author.content_id, (select s from likes.settings s));
  v_found := public.get_content_authors(jsonb_build_array(
    jsonb_build_object('content_type', get_content_author.content_type, 'content_id', get_content_author.content_id)));
  if v_found = '[]' then
    perform likes.refuse(404, 'content_not_found', 'It does not exist, is not ready, or is not visible to this user.');
  end if;
  return v_found -> 0 -> 'author';
end;
$$;
comment on function public.get_content_author is 'The author {id, username, display_name} of a content that the caller may see.';

create function public.get_last_seen(user_ids uuid[]) returns jsonb
language plpgsql stable security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
declare
  v_user_id uuid := likes.require_user();
begin
  if coalesce(cardinality(user_ids), 0) > 100 then
    perform likes.refuse(400, 'too_many_items', 'Name 100 users at most in one call.');
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('user_id', s.user_id, 'last_seen_at', likes.to_wire(s.seen_at))), '[]')
    from likes.last_seen s join likes.profiles p on p.user_id = s.user_id
    where s.user_id = any (get_last_seen.user_ids) and (not p.is_private or p.user_id = v_user_id));
end;
$$;
comment on function public.get_last_seen is 'When users last sent a heartbeat. Private people are left out.';

-- The heartbeat --------------------------------------------------------------------------------------------------------------

create function likes.content_hash(content_type text, content_id uuid) returns bigint
language plpgsql immutable set search_path = '' as $$
begin
  return hashtextextended(content_hash.content_type || ':' || content_hash.content_id, 0);
end;
$$;

create function likes.note_viewer(viewer_id uuid, user_id uuid, hashes bigint[], connection text, moment timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  if cardinality(hashes) = 0 then
    delete from likes.viewers v where v.viewer_id = note_viewer.viewer_id and v.user_id is not distinct from note_viewer.user_id;
  else
    insert into likes.viewers as v (viewer_id, user_id, content_hashes, connection, seen_at)
    values (note_viewer.viewer_id, note_viewer.user_id, hashes, note_viewer.connection, moment)
    on conflict on constraint viewers_pkey do update set
      user_id = excluded.user_id, content_hashes = excluded.content_hashes, connection = excluded.connection, seen_at = moment
    -- A client may sign in or out; a user's row is not another user's to move.
    where v.user_id is null or excluded.user_id is null or v.user_id = excluded.user_id;
  end if;
  if note_viewer.user_id is not null then
    insert into likes.last_seen as s (user_id, seen_at) values (note_viewer.user_id, moment)
    on conflict on constraint last_seen_pkey do update set seen_at = moment where s.seen_at < moment - interval '5 seconds';
  end if;
end;
$$;

-- A few at a time, by whoever comes first: one heartbeat never pays for a whole screen.
create function likes.count_viewers(keys jsonb, settings likes.settings, moment timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  insert into likes.rooms (content_type, content_id)
  select k.content_type, k.content_id from jsonb_to_recordset(keys) k (content_type text, content_id uuid)
  where not exists (select from likes.rooms r where r.content_type = k.content_type and r.content_id = k.content_id)
  order by 1, 2
  on conflict on constraint rooms_pkey do nothing;
  update likes.rooms r set
    counted_at = moment, good_until = moment + 2 * make_interval(secs => settings.viewer_timeout_ms / 1000.0),
    viewers = least(settings.max_connections, (
      select count(*) from likes.viewers v
      where v.content_hashes @> array[likes.content_hash(r.content_type, r.content_id)]
        and v.seen_at > moment - make_interval(secs => settings.viewer_timeout_ms / 1000.0)))
  from (
    select s.content_type, s.content_id from likes.rooms s
    join jsonb_to_recordset(keys) k (content_type text, content_id uuid) on k.content_type = s.content_type and k.content_id = s.content_id
    where s.counted_at < moment - interval '3 seconds'
    order by s.counted_at limit 10 for update of s skip locked) stale
  where r.content_type = stale.content_type and r.content_id = stale.content_id;
end;
$$;

create function likes.settle_overdue(keys jsonb, settings likes.settings, moment timestamptz) returns void
language plpgsql volatile set search_path = ''
-- Not the viewer's work to wait for: who is at it already will finish it.
set lock_timeout = '5ms' as $$
declare
  v_overdue jsonb;
begin
  select jsonb_agg(jsonb_build_object('content_type', a.content_type, 'content_id', a.content_id)) into v_overdue
  from (
    select a.content_type, a.content_id from likes.activity a
    join jsonb_to_recordset(keys) k (content_type text, content_id uuid) on k.content_type = a.content_type and k.content_id = a.content_id
    where likes.is_overdue(a, settings, moment) and a.retry_at <= moment limit 3) a;
  if v_overdue is not null then
    perform likes.settle(v_overdue);
  end if;
exception when lock_not_available then
  null;
end;
$$;
comment on function likes.settle_overdue is 'Watched content heals in one heartbeat without any drain.';

create function likes.viewer_names(hash bigint, settings likes.settings, moment timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(likes.author(n.user_id, n.username, n.display_name) order by n.username), '[]')
    from (
      select distinct p.user_id, p.username, p.display_name
      from likes.viewers v join likes.profiles p on p.user_id = v.user_id
      where v.content_hashes @> array[hash] and not p.is_private
        and v.seen_at > moment - make_interval(secs => settings.viewer_timeout_ms / 1000.0)
      order by p.username limit settings.viewer_names) n);
end;
$$;

create function public.sync_viewing(viewer_id uuid, items jsonb, connection text default 'live') returns jsonb
language plpgsql volatile security definer set search_path = '' -- definer: API roles have no access to the engine's tables
-- As in toggle_like: lookups by key, plans kept.
set plan_cache_mode = 'force_generic_plan' set enable_seqscan = 'off' set jit = 'off' as $$
declare
  v_user_id uuid := (select auth.uid());
  v_settings likes.settings;
  v_now timestamptz := likes.clock();
  v_keys jsonb;
  v_changed jsonb;
begin
  select s.* into v_settings from likes.settings s;
  if sync_viewing.viewer_id is null or coalesce(sync_viewing.connection not in ('live', 'polling'), true) then
    perform likes.refuse(400, 'invalid_request', 'viewer_id must be a UUID, connection live or polling.');
  end if;
  select coalesce(jsonb_agg(jsonb_build_object('content_type', i.content_type, 'content_id', i.content_id)), '[]') into v_keys
  from likes.visible_items(sync_viewing.items, v_user_id) i;
  if exists (
    select from jsonb_array_elements(sync_viewing.items) i
    where coalesce(i ->> 'version', '0') !~ '^\d{1,18}$' or coalesce(i ->> 'viewers', '0') !~ '^\d{1,9}$'
      or coalesce(jsonb_typeof(i -> 'liked'), 'null') not in ('boolean', 'null'))
  then
    perform likes.refuse(400, 'invalid_request', 'version and viewers must be whole numbers or null, liked true, false or null.');
  end if;
  perform likes.note_viewer(sync_viewing.viewer_id, v_user_id, array(
    select likes.content_hash(k.content_type, k.content_id) from jsonb_to_recordset(v_keys) k (content_type text, content_id uuid)
    order by 1), sync_viewing.connection, v_now);
  perform likes.count_viewers(v_keys, v_settings, v_now);
  perform likes.settle_overdue(v_keys, v_settings, v_now);

  select coalesce(jsonb_agg(jsonb_build_object(
    'content_type', f.content_type, 'content_id', f.content_id, 'liked', f.liked, 'intent', f.intent, 'total_likes', f.total_likes,
    'version', f.version, 'viewers', f.viewers,
    'viewer_names', case when f.viewers <= v_settings.viewer_names
      then likes.viewer_names(likes.content_hash(f.content_type, f.content_id), v_settings, v_now) end,
    'missed', f.is_missed)), '[]')
  into v_changed
  from (
    select k.content_type, k.content_id, coalesce(l.liked, false) as liked, coalesce(l.intent, 0) as intent,
      coalesce(a.announced_total, 0) as total_likes, coalesce(a.announced_version, 0) as version,
      coalesce(r.viewers, 0) as viewers,
      coalesce(sync_viewing.connection = 'live' and i.version > 0 and i.version < a.event_version
        and a.announced_at < v_now - interval '2 seconds', false) as is_missed,
      i.version as known_version, i.viewers as known_viewers, i.liked as known_liked
    from jsonb_to_recordset(v_keys) k (content_type text, content_id uuid)
    join (
      select distinct on (i.content_type, i.content_id) i.*
      from jsonb_to_recordset(sync_viewing.items) i (content_type text, content_id uuid, version bigint, viewers integer, liked boolean)
      order by i.content_type, i.content_id) i
      on i.content_type = k.content_type and i.content_id = k.content_id
    left join likes.activity a on a.content_type = k.content_type and a.content_id = k.content_id
    left join likes.rooms r on r.content_type = k.content_type and r.content_id = k.content_id
    left join likes.content_likes l on l.content_type = k.content_type and l.content_id = k.content_id and l.user_id = v_user_id) f
  where f.known_version is null or f.version > f.known_version or f.viewers is distinct from f.known_viewers
    or (f.known_liked is not null and f.liked <> f.known_liked);
  -- Skip locked, since another heartbeat may hold what this one wants, and want what this one holds: a figure may fall short.
  update likes.rooms r set missed = r.missed + 1
  where (r.content_type, r.content_id) in (
    select s.content_type, s.content_id from likes.rooms s
    join jsonb_to_recordset(v_changed) c (content_type text, content_id uuid, missed boolean)
      on c.missed and c.content_type = s.content_type and c.content_id = s.content_id
    for update of s skip locked);
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(c - 'missed'), '[]') from jsonb_array_elements(v_changed) c),
    'heartbeat_ms', v_settings.heartbeat_ms);
end;
$$;
comment on function public.sync_viewing is
  'The heartbeat: names what is on the caller''s screen with the versions it knows; answers what changed. Counts viewers and heals missed events.';

revoke execute on function public.get_like_status(jsonb) from public, anon, authenticated, service_role;
revoke execute on function public.get_user_liked_content(text, text, integer) from public, anon, authenticated, service_role;
revoke execute on function public.get_content_likers(text, uuid, text, integer) from public, anon, authenticated, service_role;
revoke execute on function public.get_content_author(text, uuid) from public, anon, authenticated, service_role;
revoke execute on function public.get_content_authors(jsonb) from public, anon, authenticated, service_role;
revoke execute on function public.get_last_seen(uuid[]) from public, anon, authenticated, service_role;
revoke execute on function public.sync_viewing(uuid, jsonb, text) from public, anon, authenticated, service_role;
grant execute on function public.get_like_status(jsonb) to anon, authenticated, service_role;
grant execute on function public.get_user_liked_content(text, text, integer) to authenticated;
grant execute on function public.get_content_likers(text, uuid, text, integer) to anon, authenticated, service_role;
grant execute on function public.get_content_author(text, uuid) to anon, authenticated, service_role;
grant execute on function public.get_content_authors(jsonb) to anon, authenticated, service_role;
grant execute on function public.get_last_seen(uuid[]) to authenticated;
grant execute on function public.sync_viewing(uuid, jsonb, text) to anon, authenticated;

revoke execute on all functions in schema likes from public;
