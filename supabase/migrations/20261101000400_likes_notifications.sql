-- What authors are told: one open notification per content grows, shrinks, disappears, and starts anew when read or old.

create function likes.text(key text) returns text language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce((select t.text from likes.texts t where t.key = text.key), text.key));
end;
$$;

create function likes.render_notification(notification likes.notifications, names integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_likers uuid[];
  v_username text;
  v_others bigint := notification.liker_count - 1;
begin
  select array_agg(l.user_id order by l.changed_at desc, l.user_id desc) into v_likers
  from (
    select l.user_id, l.changed_at from likes.content_likes l
    where l.notification_id = notification.id order by l.changed_at desc, l.user_id desc limit names) l;
  select p.username into v_username from likes.profiles p where p.user_id = v_likers[1];
  return jsonb_build_object(
    'id', notification.id, 'type', 'like', 'title', likes.text(notification.title_key),
    'message', replace(replace(
      -- The name goes in last: one that contains {n} stays as it is.
      replace(likes.text(case v_others when 0 then 'message_one' when 1 then 'message_two' else 'message_many' end),
        '{n}', v_others::text),
      '{contentType}', likes.text(notification.content_type)), '{username}', coalesce(v_username, '')),
    'data', jsonb_build_object(
      'contentType', notification.content_type, 'contentId', notification.content_id,
      'likerId', v_likers[1], 'likerUsername', v_username, 'likerIds', coalesce(to_jsonb(v_likers), '[]'),
      'likerCount', notification.liker_count, 'totalLikes', notification.total_likes),
    'createdAt', likes.to_wire(notification.created_at), 'isRead', notification.read_at is not null);
end;
$$;
comment on function likes.render_notification is 'A notification as clients get it, by event or by list.';

create function likes.wants_notifications(user_id uuid, content_type text, content_id uuid) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (
    select not exists (select from likes.preferences p where p.user_id = wants_notifications.user_id and not p.like_notifications)
      and not exists (
        select from likes.mutes m
        where m.user_id = wants_notifications.user_id and m.content_type = wants_notifications.content_type
          and m.content_id = wants_notifications.content_id));
end;
$$;

create function likes.open_notification(
  author_id uuid, content_type text, content_id uuid, is_news boolean, settings likes.settings, moment timestamptz, out id uuid, out is_new boolean
) language plpgsql volatile set search_path = '' as $$
declare
  v_open likes.notifications;
begin
  is_new := false;
  select n.* into v_open from likes.notifications n
  where n.user_id = author_id and n.content_type = open_notification.content_type and n.content_id = open_notification.content_id
    and n.is_open for update;
  if found and (v_open.created_at > moment - settings.notification_open or not is_news) then
    id := v_open.id;
    return;
  end if;
  update likes.notifications n set is_open = false where n.id = v_open.id;
  is_new := is_news;
  -- What is no news (a like given again within a day) is listed, but as read: the author was told once.
  insert into likes.notifications as n (user_id, content_type, content_id, liker_count, is_open, read_at, created_at, updated_at)
  values (author_id, open_notification.content_type, open_notification.content_id, 0, is_news, case when not is_news then moment end, moment, moment)
  returning n.id into id;
end;
$$;

create type likes.notice as (event text, payload jsonb);

-- Takes the changed likes of one content (rows that the caller has locked) into its author's notifications.
create function likes.notify_author(
  author_id uuid, content_type text, content_id uuid, changed likes.content_likes[], total bigint, settings likes.settings, moment timestamptz
) returns likes.notice[]
language plpgsql volatile set search_path = '' as $$
declare
  v_wanted boolean := likes.wants_notifications(author_id, notify_author.content_type, notify_author.content_id);
  v_news uuid[];
  v_again uuid[];
  v_gone uuid[];
  v_open_id uuid;
  v_is_new boolean := false;
  v_row record;
  v_notices likes.notice[] := '{}';
  v_notification likes.notifications;
begin
  if v_wanted then
    select
      array_agg(c.user_id) filter (where coalesce(c.notified_at <= moment - settings.notify_again_after, true)),
      array_agg(c.user_id) filter (where c.notified_at > moment - settings.notify_again_after)
    into v_news, v_again
    from unnest(changed) c
    where c.liked and c.notification_id is null and c.user_id <> notify_author.author_id
      and not exists (select from likes.blocks b where b.author_id = notify_author.author_id and b.user_id = c.user_id);
  end if;
  -- The notifications that told of likes which are gone now, with how many each: taken back, or gone with their user.
  with departed as (
    delete from likes.departures d
    where d.content_type = notify_author.content_type and d.content_id = notify_author.content_id
    returning d.notification_id)
  select array_agg(g.notification_id) into v_gone
  from (
    select c.notification_id from unnest(changed) c where not c.liked and c.notification_id is not null
    union all select d.notification_id from departed d) g;
  perform from likes.notifications n
  where n.id = any (v_gone) or (n.user_id = author_id and n.content_type = notify_author.content_type
    and n.content_id = notify_author.content_id and n.is_open)
  order by n.id for update;

  if v_news is not null or v_again is not null then
    select o.id, o.is_new into v_open_id, v_is_new
    from likes.open_notification(author_id, notify_author.content_type, notify_author.content_id, v_news is not null, settings, moment) o;
  end if;
  update likes.content_likes l set
    settled = true,
    notification_id = case when not c.liked then null when c.user_id = any (v_news || v_again) then v_open_id else c.notification_id end,
    notified_at = case when c.user_id = any (v_news) then moment else c.notified_at end
  from unnest(changed) c
  where l.content_type = c.content_type and l.content_id = c.content_id and l.user_id = c.user_id;

  for v_row in
    select d.id, sum(d.delta) as delta, bool_or(d.delta < 0) as shrunk, bool_or(d.is_news) as is_news
    from (
      select v_open_id as id, cardinality(coalesce(v_news, '{}')) + cardinality(coalesce(v_again, '{}')) as delta, v_news is not null as is_news
      where v_news is not null or v_again is not null
      union all select g, -1, false from unnest(v_gone) g) d
    group by d.id order by d.id
  loop
    update likes.notifications n set
      liker_count = n.liker_count + v_row.delta, total_likes = total, updated_at = moment,
      title_key = case when v_row.delta < 0 then 'title_unliked' else 'title_liked' end
    where n.id = v_row.id returning n.* into v_notification;
    if found and v_notification.liker_count <= 0 then
      delete from likes.notifications n where n.id = v_row.id;
      v_notices := v_notices || row('notification:removed', jsonb_build_object('id', v_row.id))::likes.notice;
    elsif found and (v_row.is_news or v_row.shrunk) then
      v_notices := v_notices || row(
        case when v_row.is_news and v_is_new then 'notification:new' else 'notification:updated' end,
        likes.render_notification(v_notification, settings.batch_names))::likes.notice;
    end if;
  end loop;
  return v_notices;
end;
$$;
comment on function likes.notify_author is 'Marks the changed likes as settled, and returns the events that tell their author.';

create function likes.check_page(max integer) returns integer language plpgsql immutable set search_path = '' as $$
begin
  if check_page.max is null or check_page.max not between 1 and 100 then
    raise exception using errcode = 'PT400', message = 'invalid_request', hint = 'max must be from 1 to 100.';
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
  v_names integer := (select s.batch_names from likes.settings s);
  v_page likes.notifications[];
begin
  select array_agg(n order by n.created_at desc, n.id desc) into v_page
  from (
    select n.* from likes.notifications n
    where n.user_id = v_user_id and (n.created_at, n.id) < (v_from.moment, v_from.id)
    order by n.created_at desc, n.id desc limit v_max + 1) n;
  return jsonb_build_object(
    'notifications', (
      select coalesce(jsonb_agg(likes.render_notification(n, v_names) order by n.created_at desc, n.id desc), '[]')
      from unnest(v_page[1:v_max]) n),
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
  perform likes.check_content(mute_content.content_type, mute_content.content_id);
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

revoke execute on function public.get_notifications(text, integer) from public, anon, authenticated;
revoke execute on function public.mark_notifications_read(uuid[]) from public, anon, authenticated;
revoke execute on function public.mute_content(text, uuid, boolean) from public, anon, authenticated;
revoke execute on function public.set_like_notifications(boolean) from public, anon, authenticated;
grant execute on function public.get_notifications(text, integer) to authenticated;
grant execute on function public.mark_notifications_read(uuid[]) to authenticated;
grant execute on function public.mute_content(text, uuid, boolean) to authenticated;
grant execute on function public.set_like_notifications(boolean) to authenticated;

revoke execute on all functions in schema likes from public;
