-- A small world for development: 50 people who can sign in (password: password123), 1,950 readers who cannot, 200 posts, 100 videos
-- and 20,000 likes whose popularity follows Zipf's law. Deterministic but for the times, which lie in the past week.
-- Works on the local stack, `supabase start` and a hosted project. Needs an empty example host schema.

create function pg_temp.pick(choices text[], key text) returns text language sql immutable as $$
  select choices[1 + abs(hashtext(key)::bigint) % cardinality(choices)]
$$;
create function pg_temp.share(key text) returns double precision language sql immutable as $$
  select (hashtext(key)::bigint + 2147483648) / 4294967296.0
$$;
create function pg_temp.id(key text) returns uuid language sql immutable as $$
  select overlay(overlay(md5('realtime-likes ' || key) placing '4' from 13) placing '8' from 17)::uuid
$$;

-- People -----------------------------------------------------------------------------------------------------------------------

create temporary table seed_people (n integer, username text, display_name text);
insert into seed_people
select n, lower(name), name || ' ' || (array[
    'Moreau', 'Okafor', 'Lindqvist', 'Tanaka', 'Silva', 'Novak', 'Haddad', 'Murphy', 'Rossi', 'Kaya'])[1 + n % 10]
from unnest(array[
  'Alice', 'Bob', 'Carol', 'David', 'Emma', 'Farid', 'Grace', 'Hugo', 'Iris', 'Jonas', 'Keiko', 'Liam', 'Maya', 'Noah', 'Olivia',
  'Pablo', 'Quinn', 'Rosa', 'Samir', 'Tara', 'Umar', 'Vera', 'Wanda', 'Xavier', 'Yara', 'Zoe', 'Anton', 'Bella', 'Chloe', 'Diego',
  'Elena', 'Felix', 'Greta', 'Henry', 'Ingrid', 'Jack', 'Kofi', 'Leila', 'Marco', 'Nadia', 'Oscar', 'Priya', 'Rafael', 'Sofia',
  'Tomas', 'Ulrike', 'Victor', 'Willa', 'Yusuf', 'Zara']) with ordinality as names (name, n);

with password as materialized (
  select extensions.crypt('password123', extensions.gen_salt('bf', 6)) as hash
)
insert into auth.users (
  instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
  confirmation_token, recovery_token, email_change, email_change_token_new, email_change_token_current, phone_change, phone_change_token,
  reauthentication_token)
select
  '00000000-0000-0000-0000-000000000000', pg_temp.id('user ' || p.n), 'authenticated', 'authenticated', p.username || '@example.com',
  w.hash, now(), '{"provider": "email", "providers": ["email"]}',
  jsonb_build_object(
    'sub', pg_temp.id('user ' || p.n), 'email', p.username || '@example.com', 'email_verified', true, 'phone_verified', false,
    'username', p.username, 'display_name', p.display_name),
  now() - interval '30 days' + p.n * interval '1 minute', now(), '', '', '', '', '', '', '', ''
from seed_people p cross join password w;

insert into auth.identities (id, user_id, provider, provider_id, identity_data, last_sign_in_at, created_at, updated_at)
select pg_temp.id('identity ' || p.n), pg_temp.id('user ' || p.n), 'email', pg_temp.id('user ' || p.n)::text,
  jsonb_build_object('sub', pg_temp.id('user ' || p.n), 'email', p.username || '@example.com', 'email_verified', true, 'phone_verified', false),
  now(), now(), now()
from seed_people p;

-- Readers have a profile and likes, but no password: 20,000 likes on 300 contents need more than 50 people.
insert into auth.users (
  instance_id, id, aud, role, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
  confirmation_token, recovery_token, email_change, email_change_token_new, email_change_token_current, phone_change, phone_change_token,
  reauthentication_token)
select
  '00000000-0000-0000-0000-000000000000', pg_temp.id('reader ' || n), 'authenticated', 'authenticated', 'reader' || n || '@example.com',
  now(), '{"provider": "email", "providers": ["email"]}',
  jsonb_build_object('username', name || '_' || n, 'display_name', initcap(name) || ' ' || n),
  now() - interval '20 days' + n * interval '1 minute', now(), '', '', '', '', '', '', '', ''
from generate_series(1, 1950) n
cross join lateral (select lower(pg_temp.pick(array[
  'Ada', 'Ben', 'Cleo', 'Dora', 'Eli', 'Finn', 'Gia', 'Hana', 'Ian', 'Jude', 'Kai', 'Lena', 'Milo', 'Nina', 'Otto', 'Pia', 'Rio', 'Sam', 'Tess', 'Uma'],
  'name ' || n)) as name) names;

update public.users u set
  bio = pg_temp.pick(array[
    'Coffee first, questions later.', 'Collects maps and good stories.', 'Cycling to work since 2009.', 'Plants, plants, more plants.',
    'Amateur baker, professional eater.', 'Here for the sunsets.', 'Teaches maths, dreams of the sea.', 'Runs slowly, far.',
    'Two cats, one keyboard.', 'Books on the shelf, more on the floor.'], 'bio ' || p.n),
  location = pg_temp.pick(array['Lisbon', 'Osaka', 'Nairobi', 'Montreal', 'Berlin', 'Lima', 'Beirut', 'Cork', 'Gothenburg', 'Turin'], 'place ' || p.n),
  -- Two people keep their posts among friends, and two keep to themselves.
  privacy_level = case when p.n in (20, 35) then 'friends' when p.n in (28, 44) then 'private' else 'public' end
from seed_people p where u.id = pg_temp.id('user ' || p.n);

insert into public.friendships (user_id, friend_id)
select pg_temp.id('user ' || a.n), pg_temp.id('user ' || b.n)
from seed_people a join seed_people b on a.n <> b.n and pg_temp.share('friends ' || least(a.n, b.n) || ' ' || greatest(a.n, b.n)) < 0.12;

-- Posts and videos ---------------------------------------------------------------------------------------------------------------

insert into public.posts (id, user_id, content, post_type, created_at, updated_at)
select pg_temp.id('post ' || n), pg_temp.id('user ' || (1 + n * 7 % 50)), opening || ' ' || ending, 'text', at, at
from generate_series(1, 200) n
cross join lateral (select
  (array[
    'Finally finished the garden bench.', 'First snow of the year this morning.', 'Tried the bakery on the corner.', 'My sourdough survived the holidays.',
    'Walked the coast path from end to end.', 'Found my grandfather''s old camera.', 'The choir sang its first concert tonight.', 'Moved my desk to the window.',
    'Got lost in the old town and loved it.', 'Taught my daughter to ride a bike.', 'The tomatoes are ripe at last.', 'Missed the train, met an old friend.',
    'Learned three chords on the ukulele.', 'Swam in the lake before breakfast.', 'Repaired the radio with a paper clip.', 'Read the whole book in one sitting.',
    'Our street has a library in a phone box now.', 'Baked a cake for no reason at all.', 'The heron is back at the pond.', 'Painted the hallway yellow.'])[1 + n % 20] as opening,
  (array[
    'It took three weekends and was worth each of them.', 'Everything went quiet and soft.', 'I will be back tomorrow, and the day after.', 'Small joys count double.',
    'My legs disagree, my head is clear.', 'There was still a film in it.', 'Nobody noticed the wrong note but me.', 'The light changes everything.',
    'Ask me about the shortcut.', 'She only looked back once.'])[1 + (n / 20 + n) % 10] as ending,
  now() - interval '7 days' * pg_temp.share('posted ' || n) as at) words;

insert into public.videos (id, user_id, title, description, video_url, thumbnail_url, duration, status, created_at, updated_at)
select pg_temp.id('video ' || n), pg_temp.id('user ' || (1 + n * 11 % 50)), subject || ' ' || manner,
  'Filmed in one afternoon' || pg_temp.pick(array[', with a borrowed tripod.', ' and hardly cut.', ', rain included.', ', by popular demand.'], 'video ' || n),
  'https://example.com/videos/' || n || '.mp4', null, 30 + abs(hashtext('length ' || n)::bigint) % 600,
  case when n % 33 = 0 then 'processing' when n % 50 = 49 then 'failed' else 'ready' end, at, at
from generate_series(1, 100) n
cross join lateral (select
  (array['Folding a paper crane', 'Repairing a bicycle chain', 'Cooking ramen', 'Sketching a lighthouse', 'Pruning roses', 'Tuning a guitar',
    'Packing for three weeks', 'Brewing filter coffee', 'Planting garlic', 'Knitting a sock'])[1 + n % 10] as subject,
  (array['in two minutes', 'without tools', 'the slow way', 'with my grandmother', 'for beginners', 'on a balcony', 'in the rain', 'step by step',
    'and failing twice', 'by candlelight'])[1 + n / 10 % 10] as manner,
  now() - interval '7 days' * pg_temp.share('filmed ' || n) as at) words;

-- Likes: the content at rank k has about 1,780 / k^0.8 of them -----------------------------------------------------------------------

insert into likes.content_likes (content_type, content_id, user_id, liked, intent, changed_at)
select r.content_type, r.content_id, r.user_id, true, likes.to_ms(r.at), r.at
from (
  select c.content_type, c.content_id, u.id as user_id,
    -- Between the day it was published and today.
    now() - (now() - c.created_at) * pg_temp.share('at ' || c.content_id || u.id) as at
  from (
    select f.*, row_number() over (order by md5(f.content_id::text)) as rank
    from (
      select 'post' as content_type, p.id as content_id, p.user_id as author_id, p.created_at from public.posts p
      union all select 'video', v.id, v.user_id, v.created_at from public.videos v where v.status = 'ready') f) c
  cross join lateral (
    select u.id from public.users u where u.id <> c.author_id
    order by md5(c.content_id::text || u.id::text) limit ceil(1779 / power(c.rank, 0.8))) u
  order by c.rank limit 20000) r;

insert into likes.changes (content_type, content_id, user_id, version)
select l.content_type, l.content_id, l.user_id, 0 from likes.content_likes l order by l.changed_at;

insert into likes.counters (content_type, content_id, slot, likes)
select l.content_type, l.content_id, 0, count(*) from likes.content_likes l group by l.content_type, l.content_id;

analyze likes.content_likes, likes.changes, likes.counters, public.users, public.posts, public.videos;

-- Settled as any other likes are, with a full budget for each batch, so that authors find their notifications.
do $$
declare
  v_batch jsonb;
begin
  for v_batch in
    select jsonb_agg(jsonb_build_object('content_type', c.content_type, 'content_id', c.content_id))
    from (select c.*, row_number() over (order by c.content_type, c.content_id) / 40 as batch from likes.counters c) c group by c.batch
  loop
    update likes.budget set tokens = 'infinity';
    perform public.settle_likes(v_batch);
  end loop;
  update likes.activity set window_ends_at = '-infinity', settle_due_at = null;
  update likes.budget set tokens = 'infinity', likes_rate = 0;
  delete from likes.usage;
  update likes.notifications set read_at = now(), is_open = false where pg_temp.share('read ' || content_id) < 0.85;
end
$$;
