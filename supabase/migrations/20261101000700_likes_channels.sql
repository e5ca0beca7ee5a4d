-- Who may join which channel. The policies speak for our topics only and are silent on the host's own.

create function likes.can_receive(topic text) returns boolean
language plpgsql stable security definer set search_path = '' as $$ -- definer: policies run as the caller, who has no access to the engine
declare
  v_parts text[];
begin
  if can_receive.topic like 'user:%' then
    return coalesce(can_receive.topic = 'user:' || (select auth.uid()), false);
  end if;
  -- A guard, never a bare cast: a malformed topic is somebody else's topic, no error.
  v_parts := regexp_match(can_receive.topic, '^content:([a-z0-9_]+):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$');
  if v_parts is null or not (select v_parts[1] = any (s.content_types) from likes.settings s) then
    return false;
  end if;
  return exists (
    select from likes.visible_items(
      jsonb_build_array(jsonb_build_object('content_type', v_parts[1], 'content_id', v_parts[2])), (select auth.uid())));
end;
$$;
comment on function likes.can_receive is 'Whether the caller may receive what is broadcast on a topic of ours; false for topics that are not.';

create function likes.can_be_present(topic text) returns boolean
language plpgsql stable security definer set search_path = '' as $$ -- definer: reads a setting
begin
  return can_be_present.topic like 'content:%' and (select s.presence_enabled from likes.settings s) and likes.can_receive(can_be_present.topic);
end;
$$;
comment on function likes.can_be_present is 'Whether the caller may use Supabase Presence on a topic of ours: an opt-in, by likes.settings.presence_enabled.';

create policy messages_select_likes on realtime.messages for select to anon, authenticated
  using (
    case realtime.messages.extension
      when 'broadcast' then (select likes.can_receive(realtime.topic()))
      when 'presence' then (select likes.can_be_present(realtime.topic()))
      else false
    end);
create policy messages_insert_likes_presence on realtime.messages for insert to authenticated
  with check (realtime.messages.extension = 'presence' and (select likes.can_be_present(realtime.topic())));

grant usage on schema likes to anon, authenticated, service_role;
revoke execute on function likes.can_receive(text) from public, anon, authenticated, service_role;
revoke execute on function likes.can_be_present(text) from public, anon, authenticated, service_role;
grant execute on function likes.can_receive(text) to anon, authenticated;
grant execute on function likes.can_be_present(text) to anon, authenticated;
