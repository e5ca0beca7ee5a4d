-- What authors are told: one open notification per content grows, shrinks, disappears, and starts anew when read or old.

create function likes.render_notifications(notifications likes.notifications[]) returns jsonb[]
language plpgsql stable set search_path = '' as $$
begin
  return array(
    select jsonb_build_object(
      'id', n.id, 'type', 'like', 'title', coalesce((select t.text from likes.texts t where t.key = n.title_key), n.title_key),
      'message', replace(replace(
        -- The name goes in last: one that contains {n} stays as it is.
        replace(
          (select t.text from likes.texts t
            where t.key = case n.liker_count when 1 then 'message_one' when 2 then 'message_two' else 'message_many' end),
          '{n}', (n.liker_count - 1)::text),
        '{contentType}', coalesce((select t.text from likes.texts t where t.key = n.content_type), n.content_type)),
        '{username}', coalesce(p.username, '')),
      'data', jsonb_build_object(
        'contentType', n.content_type, 'contentId', n.content_id,
        'likerId', n.liker_ids[1], 'likerUsername', p.username, 'likerIds', to_jsonb(n.liker_ids),
        'likerCount', n.liker_count, 'totalLikes', n.total_likes),
      'createdAt', likes.to_wire(n.created_at), 'isRead', n.read_at is not null)
    from unnest(render_notifications.notifications) with ordinality n
    left join likes.profiles p on p.user_id = n.liker_ids[1]
    order by n.ordinality);
end;
$$;
comment on function likes.render_notifications is 'Notifications as clients get them, by event or by list.';

-- A content that is being settled. The settler holds its slots and its activity; from `total` on, what its changes add up to.
create type likes.settling as (
  place integer, content_type text, content_id uuid, activity likes.activity, slots integer[], author_id uuid, is_available boolean,
  viewers integer,
  total bigint, last_change bigint, version bigint, is_event boolean, taken uuid[], since timestamptz,
  liker_count integer, likers uuid[], public_likers uuid[], is_foreign boolean,
  news uuid[], again uuid[], gone_ids uuid[], gone_users uuid[]
);
comment on type likes.settling is
  'taken: whose likes changed, now locked. news, again: new likes that the author is to be told of, or was told of within notify_again_after. gone_ids, gone_users: the notifications that told of likes now gone, and whose, side by side.';

create type likes.notice as (
  place integer, author_id uuid, content_type text, content_id uuid, total bigint,
  notification_id uuid, is_new boolean, arrived uuid[], departed uuid[], is_told boolean
);
comment on type likes.notice is 'What changes in one notification: who arrived in it and who departed from it, and whether its author is told.';

create function likes.lock_notifications(settling likes.settling[]) returns likes.notifications[]
language plpgsql volatile set search_path = '' as $$
declare
  v_ids uuid[];
  v_locked likes.notifications[];
begin
  -- First which, then their locks in order: asked in one condition, the planner would read all notifications there are.
  v_ids := array(
    select n.id from (
      select s.place, g.id from unnest(settling) s cross join unnest(s.gone_ids) g (id)
      union
      select s.place, n.id from unnest(settling) s
      cross join lateral (
        select n.id from likes.notifications n
        where n.user_id = s.author_id and n.content_type = s.content_type and n.content_id = s.content_id and n.is_open limit 1) n
      where coalesce(s.news, s.again) is not null) n
    order by n.place, n.id);
  select array_agg(n) into v_locked from (
    select n.* from unnest(v_ids) with ordinality i (id, place) join likes.notifications n on n.id = i.id
    order by i.place for update of n) n;
  return v_locked;
end;
$$;
comment on function likes.lock_notifications is 'The open notifications that new likes may go into and those that told of likes now gone, locked in the order of their contents.';

create function likes.plan_notices(
  settling likes.settling[], held likes.notifications[], settings likes.settings, moment timestamptz
) returns likes.notice[]
language plpgsql volatile set search_path = '' as $$
begin
  return array(
    select row(
      s.place, s.author_id, s.content_type, s.content_id, s.total, n.id, n.is_new, n.arrived, n.departed, n.is_told)::likes.notice
    from unnest(settling) s
    left join lateral (
      -- What is no news (a like given again within a day) opens no new one beside one that is old.
      select h.id from unnest(held) h
      where h.content_id = s.content_id and h.content_type = s.content_type and h.user_id = s.author_id and h.is_open
        and (h.created_at > moment - settings.notification_open or s.news is null)) o on true
    cross join lateral (
      select coalesce(a.id, d.id) as id, coalesce(a.is_new, false) as is_new, coalesce(a.arrived, '{}') as arrived,
        coalesce(d.departed, '{}') as departed, s.news is not null and a.id is not null or d.id is not null as is_told
      from (
        select coalesce(o.id, gen_random_uuid()) as id, o.id is null as is_new, s.news || s.again as arrived
        where coalesce(s.news, s.again) is not null) a
      full join (
        select g.id, array_agg(g.user_id) as departed from unnest(s.gone_ids, s.gone_users) g (id, user_id) group by g.id) d
      on d.id = a.id) n
    where coalesce(s.news, s.again, s.gone_ids) is not null
    order by s.place, n.id);
end;
$$;
comment on function likes.plan_notices is 'Which notifications take in what changed: the open one of the content (a new one if that is old or read), and those that told of what is gone.';

create function likes.write_notices(
  settling likes.settling[], held likes.notifications[], notices likes.notice[], settings likes.settings, moment timestamptz
) returns void
language plpgsql volatile set search_path = '' as $$
declare
  -- By place: the notification that takes in its new likes.
  v_open uuid[] := array(
    select n.notification_id from unnest(settling) s left join unnest(notices) n on n.place = s.place and n.arrived <> '{}' order by s.place);
begin
  update likes.notifications n set is_open = false
  where n.id = any (array(
    select h.id from unnest(held) h
    join unnest(notices) c on c.content_id = h.content_id and c.content_type = h.content_type and c.author_id = h.user_id
    where h.is_open and c.is_new));
  -- What is no news is listed, but as read: the author was told once.
  insert into likes.notifications (
    id, user_id, content_type, content_id, liker_ids, liker_count, total_likes, is_open, read_at, created_at, updated_at)
  select c.notification_id, c.author_id, c.content_type, c.content_id, c.arrived[1:settings.batch_names], cardinality(c.arrived), c.total,
    c.is_told, case when not c.is_told then moment end, moment, moment
  from unnest(notices) c where c.is_new;
  update likes.content_likes l set
    notification_id = case when l.liked then v_open[s.place] end,
    notified_at = case when l.liked and coalesce(l.notified_at <= moment - settings.notify_again_after, true) then moment else l.notified_at end
  from unnest(settling) s
  where l.content_type = s.content_type and l.content_id = s.content_id and l.user_id = any (s.news || s.again || s.gone_users);
  if held is null then
    return;
  end if;
  update likes.notifications n set
    liker_count = n.liker_count + cardinality(c.arrived) - cardinality(c.departed),
    liker_ids = array(
      select u.id from unnest(c.arrived || n.liker_ids) with ordinality as u (id, place)
      where u.id <> all (c.departed) order by u.place limit settings.batch_names),
    total_likes = c.total, updated_at = moment,
    title_key = case when cardinality(c.arrived) >= cardinality(c.departed) then 'title_liked' else 'title_unliked' end
  from unnest(notices) c where n.id = c.notification_id and not c.is_new;
  -- Names were taken from the list, and there are others to name.
  update likes.notifications n set liker_ids = array(
    select l.user_id from likes.content_likes l
    where l.content_type = n.content_type and l.content_id = n.content_id and l.liked and l.notification_id = n.id
    order by l.changed_at desc, l.user_id desc limit settings.batch_names)
  from unnest(notices) c
  where n.id = c.notification_id and c.departed <> '{}' and cardinality(n.liker_ids) < least(settings.batch_names, n.liker_count);
end;
$$;

create type likes.author_event as (place integer, event likes.event);

create function likes.notify_authors(settling likes.settling[], settings likes.settings, moment timestamptz) returns likes.author_event[]
language plpgsql volatile set search_path = '' as $$
declare
  v_held likes.notifications[];
  v_notices likes.notice[];
  v_told likes.notifications[];
  v_rendered jsonb[];
  v_news likes.author_event[];
begin
  if not exists (select from unnest(settling) s where coalesce(s.news, s.again, s.gone_ids) is not null) then
    return '{}';
  end if;
  v_held := likes.lock_notifications(settling);
  v_notices := likes.plan_notices(settling, v_held, settings, moment);
  perform likes.write_notices(settling, v_held, v_notices, settings, moment);
  -- One that tells of likes so old that it was pruned is not there any more.
  select array_agg(n order by c.place, n.id), array_agg(c order by c.place, n.id) into v_told, v_notices
  from unnest(v_notices) c join likes.notifications n on n.id = c.notification_id where c.is_told;
  v_rendered := likes.render_notifications(v_told);
  v_news := array(
    select row(c.place, row(
      'user:' || c.author_id,
      case when n.is_empty then 'notification:removed' when c.is_new then 'notification:new' else 'notification:updated' end,
      case when n.is_empty then jsonb_build_object('id', c.notification_id) else v_rendered[c.ordinality] end)::likes.event)::likes.author_event
    from unnest(v_notices) with ordinality c
    cross join lateral (select (v_told[c.ordinality]).liker_count <= 0 as is_empty offset 0) n
    order by c.ordinality);
  delete from likes.notifications n using unnest(v_told) t where n.id = t.id and t.liker_count <= 0;
  return v_news;
end;
$$;
comment on function likes.notify_authors is 'Takes the changed likes of contents into the notifications of their authors, and returns the events that tell of it.';

create function likes.check_page(max integer, most integer default 100) returns integer language plpgsql immutable set search_path = '' as $$
begin
  if check_page.max is null or check_page.max not between 1 and most then
    raise exception using errcode = 'PT400', message = 'invalid_request', hint = format('max must be from 1 to %s.', most);
  end if;
  return check_page.max;
end;
$$;

-- A cursor is the sort key of the last row, opaque to clients: base64 of `<microseconds>.<uuid>`.
create function likes.to_cursor(moment timestamptz, id uuid) returns text language plpgsql immutable set search_path = '' as $$
begin
  return translate(encode(convert_to(
    (extract(epoch from to_cursor.moment) * 1000000)::bigint || '.' || to_cursor.id, 'UTF8'), 'base64'), E'\n', '');
end;
$$;

create function likes.from_cursor(cursor text, out moment timestamptz, out id uuid)
language plpgsql immutable set search_path = '' as $$
declare
  v_parts text[];
begin
  if from_cursor.cursor is null then
    moment := 'infinity';
    id := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    return;
  end if;
  begin
    v_parts := regexp_match(convert_from(decode(from_cursor.cursor, 'base64'), 'UTF8'), '^(\d{1,17})\.([0-9a-f-]{36})$');
    moment := 'epoch'::timestamptz + v_parts[1]::bigint * interval '1 microsecond';
    id := v_parts[2]::uuid;
  exception when data_exception then
    v_parts := null;
  end;
  if v_parts is null then
    raise exception using errcode = 'PT400', message = 'invalid_cursor', hint = 'Pass next_cursor of the page before, or null.';
  end if;
end;
$$;

create function likes.require_user() returns uuid language plpgsql stable set search_path = '' as $$
declare
  v_user_id uuid := (select auth.uid());
begin
  if v_user_id is null then
    raise exception using errcode = 'PT401', message = 'token_missing', hint = 'Sign in first.';
  end if;
  return v_user_id;
end;
$$;

create function public.get_notifications(cursor text default null, max integer default 20) returns jsonb
language plpgsql stable security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
declare
  v_user_id uuid := likes.require_user();
  v_max integer := likes.check_page(get_notifications.max);
  v_from record := likes.from_cursor(get_notifications.cursor);
  v_page likes.notifications[];
begin
  select array_agg(n order by n.created_at desc, n.id desc) into v_page
  from (
    select n.* from likes.notifications n
    where n.user_id = v_user_id and (n.created_at, n.id) < (v_from.moment, v_from.id)
    order by n.created_at desc, n.id desc limit v_max + 1) n;
  return jsonb_build_object(
    'notifications', to_jsonb(likes.render_notifications(v_page[1:v_max])),
    'unread_count', (select count(*) from likes.notifications n where n.user_id = v_user_id and n.read_at is null),
    'next_cursor', case when cardinality(v_page) > v_max then likes.to_cursor(v_page[v_max].created_at, v_page[v_max].id) end);
end;
$$;
comment on function public.get_notifications is 'The caller''s notifications, newest first, a page at a time, with the number of unread ones.';

create function public.mark_notifications_read(ids uuid[] default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
declare
  v_user_id uuid := likes.require_user();
  v_now timestamptz := likes.clock();
  v_marked integer;
begin
  if cardinality(ids) > 1000 then
    perform likes.refuse(400, 'too_many_items', 'Name 1000 ids at most in one call, or none for all.');
  end if;
  with mine as (
    -- In the order in which settling takes them.
    select n.id from likes.notifications n
    where n.user_id = v_user_id and n.read_at is null and (ids is null or n.id = any (ids))
    order by n.content_type, n.content_id, n.id for update)
  update likes.notifications n set read_at = v_now, is_open = false from mine m where n.id = m.id;
  get diagnostics v_marked = row_count;
  return jsonb_build_object(
    'marked', v_marked,
    'unread_count', (select count(*) from likes.notifications n where n.user_id = v_user_id and n.read_at is null));
end;
$$;
comment on function public.mark_notifications_read is 'Marks the caller''s notifications as read: those named, or all.';

create function public.mute_content(content_type text, content_id uuid, muted boolean default true) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
declare
  v_user_id uuid := likes.require_user();
begin
  perform likes.check_content(mute_content.content_type, mute_content.content_id, (select s from likes.settings s));
  if muted is null then
    perform likes.refuse(400, 'invalid_request', 'muted must be true or false.');
  elsif not exists (
    select from likes.likeable c
    where c.content_type = mute_content.content_type and c.content_id = mute_content.content_id and c.author_id = v_user_id)
  then
    perform likes.refuse(404, 'content_not_found', 'Only its author can mute a content.');
  elsif muted then
    insert into likes.mutes (user_id, content_type, content_id) values (v_user_id, mute_content.content_type, mute_content.content_id)
    on conflict on constraint mutes_pkey do nothing;
  else
    delete from likes.mutes m
    where m.user_id = v_user_id and m.content_type = mute_content.content_type and m.content_id = mute_content.content_id;
  end if;
  return jsonb_build_object('muted', muted);
end;
$$;
comment on function public.mute_content is 'Stops (or resumes) the notifications of the likes of one of the caller''s contents.';

create function public.set_like_notifications(enabled boolean) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
declare
  v_user_id uuid := likes.require_user();
begin
  if enabled is null then
    perform likes.refuse(400, 'invalid_request', 'enabled must be true or false.');
  end if;
  insert into likes.preferences (user_id, like_notifications) values (v_user_id, enabled)
  on conflict on constraint preferences_pkey do update set like_notifications = excluded.like_notifications;
  return jsonb_build_object('enabled', enabled);
end;
$$;
comment on function public.set_like_notifications is 'Turns the caller''s like notifications on or off.';

revoke execute on function public.get_notifications(text, integer) from public, anon, authenticated, service_role;
revoke execute on function public.mark_notifications_read(uuid[]) from public, anon, authenticated, service_role;
revoke execute on function public.mute_content(text, uuid, boolean) from public, anon, authenticated, service_role;
revoke execute on function public.set_like_notifications(boolean) from public, anon, authenticated, service_role;
grant execute on function public.get_notifications(text, integer) to authenticated;
grant execute on function public.mark_notifications_read(uuid[]) to authenticated;
grant execute on function public.mute_content(text, uuid, boolean) to authenticated;
grant execute on function public.set_like_notifications(boolean) to authenticated;

revoke execute on all functions in schema likes from public;
