-- Who receives what: the policies on realtime.messages, tried as Realtime tries them, with a row per extension and the role of the token.
begin;
select plan(34);

insert into auth.users (id, email, raw_user_meta_data) values
  ('00000000-0000-4000-8000-00000000000a', 'anna@test.example', '{"username": "anna_test"}'),
  ('00000000-0000-4000-8000-00000000000b', 'ben@test.example', '{"username": "ben_test"}'),
  ('00000000-0000-4000-8000-00000000000c', 'cleo@test.example', '{"username": "cleo_test"}'),
  ('00000000-0000-4000-8000-00000000000d', 'dan@test.example', '{"username": "dan_test"}');
update public.users set privacy_level = 'friends' where username = 'cleo_test';
update public.users set privacy_level = 'private' where username = 'dan_test';
insert into public.friendships (user_id, friend_id)
values ('00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-00000000000a');
insert into public.posts (id, user_id, content) values
  ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-00000000000a', 'for all'),
  ('00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-00000000000c', 'for friends'),
  ('00000000-0000-4000-8000-0000000000d1', '00000000-0000-4000-8000-00000000000d', 'for nobody');
insert into public.videos (id, user_id, title, status) values
  ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-00000000000a', 'not ready', 'processing');

-- The probe of Realtime: insert as the owner, set the role and the claims, select, go back.
create function pg_temp.receives(who text, topic text, extension text default 'broadcast') returns boolean
language plpgsql as $$
declare
  v_id uuid := gen_random_uuid();
  v_found boolean;
begin
  insert into realtime.messages (id, topic, extension) values (v_id, receives.topic, receives.extension);
  perform set_config('realtime.topic', receives.topic, true);
  perform set_config('request.jwt.claims', case when who = 'anon' then '{"role": "anon"}'
    else json_build_object('sub', '00000000-0000-4000-8000-00000000000' || who, 'role', 'authenticated')::text end, true);
  perform set_config('role', case when who = 'anon' then 'anon' else 'authenticated' end, true);
  select exists (select from realtime.messages m where m.id = v_id) into v_found;
  perform set_config('role', 'postgres', true);
  return v_found;
end;
$$;
create function pg_temp.sends(who text, topic text, extension text) returns text
language plpgsql as $$
begin
  perform set_config('realtime.topic', sends.topic, true);
  perform set_config('request.jwt.claims',
    json_build_object('sub', '00000000-0000-4000-8000-00000000000' || who, 'role', 'authenticated')::text, true);
  perform set_config('role', 'authenticated', true);
  insert into realtime.messages (topic, extension) values (sends.topic, sends.extension);
  perform set_config('role', 'postgres', true);
  return 'sent';
exception when insufficient_privilege then
  perform set_config('role', 'postgres', true);
  return 'denied';
end;
$$;

select ok(pg_temp.receives('a', 'user:00000000-0000-4000-8000-00000000000a'), 'a user receives on the own channel');
select ok(not pg_temp.receives('b', 'user:00000000-0000-4000-8000-00000000000a'), 'nobody receives on another user''s channel');
select ok(not pg_temp.receives('anon', 'user:00000000-0000-4000-8000-00000000000a'), 'nor does a visitor');
select ok(not pg_temp.receives('anon', 'user:'), 'a visitor has no channel');
select ok(not pg_temp.receives('a', 'user:00000000-0000-4000-8000-00000000000A'), 'a topic is taken to the letter');
select ok(pg_temp.receives('b', 'content:post:00000000-0000-4000-8000-0000000000a1'), 'anybody receives on public content');
select ok(pg_temp.receives('anon', 'content:post:00000000-0000-4000-8000-0000000000a1'), 'a visitor too');
select ok(pg_temp.receives('a', 'content:post:00000000-0000-4000-8000-0000000000c1'), 'a friend receives on content for friends');
select ok(not pg_temp.receives('b', 'content:post:00000000-0000-4000-8000-0000000000c1'), 'others do not');
select ok(pg_temp.receives('d', 'content:post:00000000-0000-4000-8000-0000000000d1'), 'a private author receives on the own content');
select ok(not pg_temp.receives('a', 'content:post:00000000-0000-4000-8000-0000000000d1'), 'nobody else does');
select ok(not pg_temp.receives('a', 'content:video:00000000-0000-4000-8000-0000000000a2'), 'a video that is not ready has no channel');
select ok(not pg_temp.receives('a', 'content:post:00000000-0000-4000-8000-0000000000ff'), 'nor has unknown content');
select ok(not pg_temp.receives('a', topic), 'a malformed topic is no error and nobody''s: ' || topic)
from unnest(array['content:post:', 'content:post:nonsense', 'content:' || repeat('x', 300), 'content:post:00000000-0000-4000-8000-0000000000a1:x']) topic;

-- The host's own topics
select ok(not pg_temp.receives('a', 'room:1'), 'the host''s room is closed without a policy of the host');
create policy test_rooms on realtime.messages for select to authenticated using (realtime.topic() = 'room:1');
select ok(pg_temp.receives('a', 'room:1'), 'a policy of the host opens it: ours are silent about it');
select ok(not pg_temp.receives('b', 'user:00000000-0000-4000-8000-00000000000a'), 'and opens nothing of ours');

select is(pg_temp.sends('a', 'content:post:00000000-0000-4000-8000-0000000000a1', 'broadcast'), 'denied', 'nobody forges an event of a content');
select is(pg_temp.sends('a', 'user:00000000-0000-4000-8000-00000000000a', 'broadcast'), 'denied', 'nor one of the own channel');
select is(pg_temp.sends('a', 'content:post:00000000-0000-4000-8000-0000000000a1', 'presence'), 'denied', 'presence is off');
select ok(not pg_temp.receives('a', 'content:post:00000000-0000-4000-8000-0000000000a1', 'presence'), 'nor does anybody see it');
update likes.settings set presence_enabled = true;
select is(pg_temp.sends('a', 'content:post:00000000-0000-4000-8000-0000000000a1', 'presence'), 'sent', 'a setting turns it on');
select ok(pg_temp.receives('a', 'content:post:00000000-0000-4000-8000-0000000000a1', 'presence'), 'then it is seen, too');
select is(pg_temp.sends('b', 'content:post:00000000-0000-4000-8000-0000000000c1', 'presence'), 'denied', 'but not where one may not be');
select is(pg_temp.sends('a', 'user:00000000-0000-4000-8000-00000000000a', 'presence'), 'denied', 'nor on a channel of one');
select is(pg_temp.sends('a', 'room:1', 'presence'), 'denied', 'nor on the host''s topics');
select is(pg_temp.sends('a', 'content:post:00000000-0000-4000-8000-0000000000a1', 'broadcast'), 'denied', 'and an event is still nobody''s to forge');
select is(pg_temp.sends('a', 'content:post:00000000-0000-4000-8000-0000000000a1', 'postgres_changes'), 'denied', 'by whatever extension');
select ok(not pg_temp.receives('a', 'content:post:00000000-0000-4000-8000-0000000000a1', 'postgres_changes'), 'or to hear by it');
create policy test_room_senders on realtime.messages for insert to authenticated with check (realtime.topic() = 'room:1');
select is(pg_temp.sends('a', 'room:1', 'broadcast'), 'sent', 'what the host lets its users send is not ours to deny');
insert into public.user_blocks (blocker_id, blocked_id) values ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b');
select ok(not pg_temp.receives('b', 'content:post:00000000-0000-4000-8000-0000000000a1'), 'the blocked receive nothing of the author');

select * from finish();
rollback;
