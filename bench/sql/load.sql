-- The load: each connection calls its own loop, which commits every like durably. No client stands in the way of the figures.
create schema bench;

create table bench.people as
  select id as user_id, row_number() over (order by id) as n from public.users;
create unique index on bench.people (n);
create table bench.contents as
  select id as content_id, row_number() over (order by id) as n from public.posts;
create unique index on bench.contents (n);

-- A like of a random person on one of the first `contents` posts, again and again, for some seconds.
create procedure bench.run_likes(statement text, people integer, contents integer, seconds double precision, inout done bigint default 0, inout failed bigint default 0)
language plpgsql as $$
declare
  v_end timestamptz := clock_timestamp() + make_interval(secs => seconds);
  v_person bigint;
  v_content bigint;
  v_user_id uuid;
  v_content_id uuid;
begin
  while clock_timestamp() < v_end loop
    v_person := 1 + floor(random() * people);
    v_content := 1 + floor(random() * contents);
    select p.user_id into v_user_id from bench.people p where p.n = v_person;
    select c.content_id into v_content_id from bench.contents c where c.n = v_content;
    begin
      execute statement using v_user_id, v_content_id;
      done := done + 1;
    exception when unique_violation then
      failed := failed + 1;
    end;
    commit;
  end loop;
end;
$$;
