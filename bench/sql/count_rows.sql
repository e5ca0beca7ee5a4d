-- The toggle_like of the feature plan: look up, insert or delete, count the rows, update the post.
create table bench.likes (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id),
  post_id uuid not null references public.posts (id),
  created_at timestamptz not null default now(),
  unique (user_id, post_id)
);
create index on bench.likes (post_id);

create function bench.toggle_like(user_id uuid, post_id uuid) returns jsonb language plpgsql as $$
declare
  v_author_id uuid;
  v_exists boolean;
  v_total bigint;
begin
  select p.user_id into v_author_id from public.posts p where p.id = post_id;
  select exists (select from bench.likes l where l.user_id = toggle_like.user_id and l.post_id = toggle_like.post_id) into v_exists;
  if v_exists then
    delete from bench.likes l where l.user_id = toggle_like.user_id and l.post_id = toggle_like.post_id;
  else
    insert into bench.likes (user_id, post_id) values (toggle_like.user_id, toggle_like.post_id);
  end if;
  select count(*) into v_total from bench.likes l where l.post_id = toggle_like.post_id;
  update public.posts p set likes_count = v_total where p.id = toggle_like.post_id;
  return jsonb_build_object('liked', not v_exists, 'total_likes', v_total, 'author_id', v_author_id);
end;
$$;
