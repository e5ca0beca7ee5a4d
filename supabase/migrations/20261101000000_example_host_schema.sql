-- Example host schema: leave this migration out where you have your own users, posts and videos.
-- The like engine knows these tables only through 20261101000200_likes_host_binding.sql.

create table public.users (
  id uuid primary key references auth.users (id) on delete cascade,
  email text,
  username text not null,
  display_name text not null default '',
  bio text not null default '',
  profile_picture_url text,
  location text,
  privacy_level text not null default 'public',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint users_username_key unique (username),
  constraint users_username_length check (char_length(username) between 3 and 20),
  constraint users_privacy_level_known check (privacy_level in ('public', 'friends', 'private'))
);

create table public.friendships (
  user_id uuid not null references public.users (id) on delete cascade,
  friend_id uuid not null references public.users (id) on delete cascade,
  created_at timestamptz not null default now(),
  constraint friendships_pkey primary key (user_id, friend_id),
  constraint friendships_not_self check (user_id <> friend_id)
);
comment on table public.friendships is 'user_id counts friend_id among the friends: it opens what user_id publishes, not the other way round.';
create index friendships_friend_id_idx on public.friendships (friend_id);

create table public.user_blocks (
  blocker_id uuid not null references public.users (id) on delete cascade,
  blocked_id uuid not null references public.users (id) on delete cascade,
  created_at timestamptz not null default now(),
  constraint user_blocks_pkey primary key (blocker_id, blocked_id),
  constraint user_blocks_not_self check (blocker_id <> blocked_id)
);
create index user_blocks_blocked_id_idx on public.user_blocks (blocked_id);

create table public.posts (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  content text not null,
  post_type text not null default 'text',
  image_url text,
  likes_count integer not null default 0,
  comments_count integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint posts_content_length check (char_length(content) between 1 and 500),
  constraint posts_post_type_known check (post_type in ('text', 'image'))
);
create index posts_user_id_idx on public.posts (user_id, created_at desc);
create index posts_created_at_idx on public.posts (created_at desc);

create table public.videos (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  title text not null,
  description text not null default '',
  video_url text,
  thumbnail_url text,
  duration integer,
  likes_count integer not null default 0,
  status text not null default 'processing',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint videos_status_known check (status in ('processing', 'ready', 'failed')),
  constraint videos_duration_positive check (duration > 0)
);
comment on column public.videos.duration is 'Seconds.';
create index videos_user_id_idx on public.videos (user_id, created_at desc);
create index videos_created_at_idx on public.videos (created_at desc);

-- The profile made at sign-up. A taken or unfit name gets a suffix: a sign-up never fails because of a name.
create function public.create_profile() returns trigger
language plpgsql security definer set search_path = '' as $$ -- definer: the auth service may not write public.users
declare
  v_name text := lower(regexp_replace(
    coalesce(nullif(new.raw_user_meta_data ->> 'username', ''), split_part(coalesce(new.email, ''), '@', 1)),
    '[^A-Za-z0-9_.]', '', 'g'));
  v_suffix text := '_' || left(replace(new.id::text, '-', ''), 8);
begin
  insert into public.users (id, email, username, display_name)
  values (
    new.id, new.email,
    case when char_length(v_name) between 3 and 20 then v_name else left(coalesce(nullif(v_name, ''), 'user'), 11) || v_suffix end,
    left(coalesce(nullif(new.raw_user_meta_data ->> 'display_name', ''), v_name), 80))
  on conflict on constraint users_username_key do nothing;
  if not found then
    insert into public.users (id, email, username, display_name)
    values (new.id, new.email, left(v_name, 11) || v_suffix, left(v_name, 80));
  end if;
  return new;
end;
$$;
revoke execute on function public.create_profile() from public, anon, authenticated, service_role;
create trigger users_create_profile after insert on auth.users for each row execute function public.create_profile();

create function public.touch_updated_at() returns trigger language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end;
$$;
revoke execute on function public.touch_updated_at() from public, anon, authenticated, service_role;
-- Column lists, since a count that follows the likes is no edit.
create trigger users_touch before update on public.users for each row execute function public.touch_updated_at();
create trigger posts_touch before update of content, post_type, image_url on public.posts
  for each row execute function public.touch_updated_at();
create trigger videos_touch before update of title, description, video_url, thumbnail_url, duration, status on public.videos
  for each row execute function public.touch_updated_at();

create function public.can_see_author(viewer_id uuid, author_id uuid) returns boolean
language plpgsql stable security definer set search_path = '' as $$ -- definer: looks past the caller's own row policies
declare
  v_privacy text;
begin
  if can_see_author.viewer_id = can_see_author.author_id then
    return true;
  end if;
  select u.privacy_level into v_privacy from public.users u where u.id = can_see_author.author_id;
  if can_see_author.viewer_id is null then
    return coalesce(v_privacy = 'public', false);
  end if;
  perform from public.user_blocks b where b.blocker_id = can_see_author.author_id and b.blocked_id = can_see_author.viewer_id;
  if found then
    return false;
  elsif v_privacy = 'friends' then
    perform from public.friendships f where f.user_id = can_see_author.author_id and f.friend_id = can_see_author.viewer_id;
    return found;
  end if;
  return coalesce(v_privacy = 'public', false);
end;
$$;
comment on function public.can_see_author is 'Whether a viewer (null: a visitor) may see what the author publishes.';
revoke execute on function public.can_see_author(uuid, uuid) from public, anon, authenticated, service_role;

-- For policies, which run as the caller. Who asks is taken from the token: nobody learns what others may see, hence whom others have blocked.
create function public.can_see(author_id uuid) returns boolean
language plpgsql stable security definer set search_path = '' as $$ -- definer: can_see_author is closed to API roles
begin
  return public.can_see_author((select auth.uid()), can_see.author_id);
end;
$$;
comment on function public.can_see is 'Whether the caller may see what an author publishes.';
revoke execute on function public.can_see(uuid) from public, anon, authenticated, service_role;
grant execute on function public.can_see(uuid) to anon, authenticated;

alter table public.users enable row level security;
alter table public.friendships enable row level security;
alter table public.user_blocks enable row level security;
alter table public.posts enable row level security;
alter table public.videos enable row level security;

-- Profiles are public but for the e-mail address and the engine's counts, which only their owners write.
revoke all on public.users, public.friendships, public.user_blocks, public.posts, public.videos from anon, authenticated;
grant select (id, username, display_name, bio, profile_picture_url, location, privacy_level, created_at) on public.users to anon, authenticated;
grant update (username, display_name, bio, profile_picture_url, location, privacy_level) on public.users to authenticated;
grant select, insert, delete on public.friendships, public.user_blocks to authenticated;
grant select on public.posts, public.videos to anon, authenticated;
grant insert (user_id, content, post_type, image_url), update (content, post_type, image_url), delete on public.posts to authenticated;
grant insert (user_id, title, description, video_url, thumbnail_url, duration), update (title, description, video_url, thumbnail_url, duration),
  delete on public.videos to authenticated;

create policy users_select_all on public.users for select to anon, authenticated using (true);
create policy users_update_own on public.users for update to authenticated
  using (id = (select auth.uid())) with check (id = (select auth.uid()));

create policy friendships_select_own on public.friendships for select to authenticated
  using (user_id = (select auth.uid()) or friend_id = (select auth.uid()));
create policy friendships_insert_own on public.friendships for insert to authenticated with check (user_id = (select auth.uid()));
create policy friendships_delete_own on public.friendships for delete to authenticated
  using (user_id = (select auth.uid()) or friend_id = (select auth.uid()));

create policy user_blocks_select_own on public.user_blocks for select to authenticated using (blocker_id = (select auth.uid()));
create policy user_blocks_insert_own on public.user_blocks for insert to authenticated with check (blocker_id = (select auth.uid()));
create policy user_blocks_delete_own on public.user_blocks for delete to authenticated using (blocker_id = (select auth.uid()));

create policy posts_select_visible on public.posts for select to anon, authenticated
  using (public.can_see(user_id));
create policy posts_insert_own on public.posts for insert to authenticated with check (user_id = (select auth.uid()));
create policy posts_update_own on public.posts for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy posts_delete_own on public.posts for delete to authenticated using (user_id = (select auth.uid()));

create policy videos_select_visible on public.videos for select to anon, authenticated
  using ((status = 'ready' or user_id = (select auth.uid())) and public.can_see(user_id));
create policy videos_insert_own on public.videos for insert to authenticated with check (user_id = (select auth.uid()));
create policy videos_update_own on public.videos for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy videos_delete_own on public.videos for delete to authenticated using (user_id = (select auth.uid()));
