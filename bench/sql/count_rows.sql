-- The toggle_like of the feature plan, for posts and videos as ours: look up, insert or delete, count the rows, update the content.
create table bench.likes (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id),
  content_type text not null,
  content_id uuid not null,
  created_at timestamptz not null default now(),
  unique (user_id, content_type, content_id)
);
create index on bench.likes (content_type, content_id);

create function bench.toggle_like(user_id uuid, content_type text, content_id uuid) returns jsonb language plpgsql as $$
declare
  v_author_id uuid;
  v_exists boolean;
  v_total bigint;
begin
  if toggle_like.content_type = 'post' then
    select p.user_id into v_author_id from public.posts p where p.id = toggle_like.content_id;
  else
    select v.user_id into v_author_id from public.videos v where v.id = toggle_like.content_id;
  end if;
  select exists (
    select from bench.likes l
    where l.user_id = toggle_like.user_id and l.content_type = toggle_like.content_type and l.content_id = toggle_like.content_id)
  into v_exists;
  if v_exists then
    delete from bench.likes l
    where l.user_id = toggle_like.user_id and l.content_type = toggle_like.content_type and l.content_id = toggle_like.content_id;
  else
    insert into bench.likes (user_id, content_type, content_id) values (toggle_like.user_id, toggle_like.content_type, toggle_like.content_id);
  end if;
  select count(*) into v_total from bench.likes l
  where l.content_type = toggle_like.content_type and l.content_id = toggle_like.content_id;
  if toggle_like.content_type = 'post' then
    update public.posts p set likes_count = v_total where p.id = toggle_like.content_id;
  else
    update public.videos v set likes_count = v_total where v.id = toggle_like.content_id;
  end if;
  return jsonb_build_object('liked', not v_exists, 'total_likes', v_total, 'author_id', v_author_id);
end;
$$;
