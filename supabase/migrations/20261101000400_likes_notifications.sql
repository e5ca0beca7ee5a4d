-- What authors are told: one open notification per content grows, shrinks, disappears, and starts anew when read or old.

create function likes.text(key text) returns text language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce((select t.text from likes.texts t where t.key = text.key), text.key));
end;
$$;

create function likes.render_notification(notification likes.notifications) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_liker_id uuid := notification.liker_ids[1];
  v_username text := (select p.username from likes.profiles p where p.user_id = v_liker_id);
  v_others bigint := notification.liker_count - 1;
begin
  return jsonb_build_object(
    'id', notification.id, 'type', 'like', 'title', likes.text(notification.title_key),
    'message', replace(replace(
      -- The name goes in last: one that contains {n} stays as it is.
      replace(likes.text(case v_others when 0 then 'message_one' when 1 then 'message_two' else 'message_many' end),
        '{n}', v_others::text),
      '{contentType}', likes.text(notification.content_type)), '{username}', coalesce(v_username, '')),
    'data', jsonb_build_object(
      'contentType', notification.content_type, 'contentId', notification.content_id,
      'likerId', v_liker_id, 'likerUsername', v_username, 'likerIds', to_jsonb(notification.liker_ids),
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
  if found then
    update likes.notifications n set is_open = false where n.id = v_open.id;
  end if;
  is_new := is_news;
  -- What is no news (a like given again within a day) is listed, but as read: the author was told once.
  insert into likes.notifications as n (user_id, content_type, content_id, is_open, read_at, created_at, updated_at)
  values (author_id, open_notification.content_type, open_notification.content_id, is_news, case when not is_news then moment end, moment, moment)
  returning n.id into id;
end;
$$;

create type likes.notice as (event text, payload jsonb);

-- Takes the changed likes of one content (rows that the caller has locked) and those that went into its author's notifications.
create function likes.notify_author(
  author_id uuid, content_type text, content_id uuid, changed likes.content_likes[], departed likes.departures[], total bigint,
  settings likes.settings, moment timestamptz
) returns likes.notice[]
language plpgsql volatile set search_path = '' as $$
declare
  v_news uuid[];
  v_again uuid[];
  v_departed likes.departures[];
  v_ids uuid[];
  v_open_id uuid;
  v_is_new boolean := false;
  v_row record;
  v_notices likes.notice[] := '{}';
  v_notification likes.notifications;
begin
  if likes.wants_notifications(author_id, notify_author.content_type, notify_author.content_id) then
    select
      array_agg(c.user_id order by c.changed_at desc, c.user_id desc)
        filter (where coalesce(c.notified_at <= moment - settings.notify_again_after, true)),
      array_agg(c.user_id order by c.changed_at desc, c.user_id desc)
        filter (where c.notified_at > moment - settings.notify_again_after)
    into v_news, v_again
    from unnest(changed) c
    where c.liked and c.notification_id is null and c.user_id <> notify_author.author_id
      and not exists (select from likes.blocks b where b.author_id = notify_author.author_id and b.user_id = c.user_id);
  end if;
  -- Likes that a notification told of and that are gone now: taken back, or gone with their user.
  select array_agg(g) into v_departed from (
    select d.* from unnest(departed) d where d.notification_id is not null
    union all
    select c.content_type, c.content_id, c.notification_id, c.user_id, false
    from unnest(changed) c where not c.liked and c.notification_id is not null) g;
  if v_news is null and v_again is null and v_departed is null then
    return v_notices;
  end if;
  -- First which, then their locks in order: asked in one condition, the planner would read all notifications there are.
  v_ids := array(
    select d.notification_id from unnest(v_departed) d
    union
    select n.id from likes.notifications n
    where n.user_id = author_id and n.content_type = notify_author.content_type and n.content_id = notify_author.content_id and n.is_open);
  perform from likes.notifications n where n.id = any (v_ids) order by n.id for update;
  if v_news is not null or v_again is not null then
    select o.id, o.is_new into v_open_id, v_is_new
    from likes.open_notification(author_id, notify_author.content_type, notify_author.content_id, v_news is not null, settings, moment) o;
  end if;
  update likes.content_likes l set
    notification_id = case when l.liked then v_open_id end,
    notified_at = case when l.user_id = any (v_news) then moment else l.notified_at end
  where l.content_type = notify_author.content_type and l.content_id = notify_author.content_id
    and l.user_id = any (v_news || v_again || array(select c.user_id from unnest(changed) c where not c.liked and c.notification_id is not null));

  for v_row in
    select n.id, coalesce(array_agg(d.user_id) filter (where d.user_id is not null), '{}') as departed
    from (select v_open_id as id where v_open_id is not null union select d.notification_id from unnest(v_departed) d) n
    left join unnest(v_departed) d on d.notification_id = n.id
    group by n.id order by n.id
  loop
    v_notification := likes.change_likers(
      v_row.id, case when v_row.id = v_open_id then coalesce(v_news, '{}') || coalesce(v_again, '{}') else '{}' end, v_row.departed,
      total, settings, moment);
    if v_notification.id is null then
      continue; -- It told of likes so old that it was pruned.
    elsif v_notification.liker_count <= 0 then
      delete from likes.notifications n where n.id = v_row.id;
      v_notices := v_notices || row('notification:removed', jsonb_build_object('id', v_row.id))::likes.notice;
    elsif (v_row.id = v_open_id and v_news is not null) or cardinality(v_row.departed) > 0 then
      v_notices := v_notices || row(
        case when v_row.id = v_open_id and v_is_new then 'notification:new' else 'notification:updated' end,
        likes.render_notification(v_notification))::likes.notice;
    end if;
  end loop;
  return v_notices;
end;
$$;
comment on function likes.notify_author is 'Takes the changed likes of a content into the notifications of its author, and returns the events that tell of it.';

create function likes.change_likers(
  notification_id uuid, arrived uuid[], departed uuid[], total bigint, settings likes.settings, moment timestamptz
) returns likes.notifications
language plpgsql volatile set search_path = '' as $$
declare
  v_notification likes.notifications;
begin
  update likes.notifications n set
    liker_count = n.liker_count + cardinality(arrived) - cardinality(departed),
    liker_ids = array(
      select u.id from unnest(arrived || n.liker_ids) with ordinality as u (id, place)
      where u.id <> all (departed) order by u.place limit settings.batch_names),
    total_likes = total, updated_at = moment,
    title_key = case when cardinality(arrived) >= cardinality(departed) then 'title_liked' else 'title_unliked' end
  where n.id = change_likers.notification_id returning n.* into v_notification;
  -- Names were taken from the list, and there are others to name.
  if cardinality(v_notification.liker_ids) < least(settings.batch_names, v_notification.liker_count) then
    update likes.notifications n set liker_ids = array(
      select l.user_id from likes.content_likes l
      where l.content_type = n.content_type and l.content_id = n.content_id and l.liked and l.notification_id = n.id
      order by l.changed_at desc, l.user_id desc limit settings.batch_names)
    where n.id = change_likers.notification_id returning n.* into v_notification;
  end if;
  return v_notification;
end;
$$;

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
    'notifications', (
      select coalesce(jsonb_agg(likes.render_notification(n) order by n.created_at desc, n.id desc), '[]')
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
