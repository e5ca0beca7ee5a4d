-- The load: each connection calls its own loop, which commits every like durably. Neither a client nor the planner stands in the
-- way of the figures: the calls are static ones, as those that PostgREST prepares.
create schema bench;

-- Makes procedure bench.run_<name>: `statements` with a random person and one of the first `contents` posts, again and again.
create procedure bench.make_loop(name text, statements text) language plpgsql as $make$
begin
  execute format($loop$
    create or replace procedure bench.run_%s(people integer, contents integer, seconds double precision, inout done bigint default 0, inout failed bigint default 0)
    language plpgsql as $$
    declare
      v_end timestamptz := clock_timestamp() + make_interval(secs => seconds);
      v_people uuid[] := array(select u.id from public.users u order by u.id limit people);
      v_contents uuid[] := array(select p.id from public.posts p order by p.id limit contents);
      v_user_id uuid;
      v_content_id uuid;
    begin
      while clock_timestamp() < v_end loop
        v_user_id := v_people[1 + floor(random() * people)];
        v_content_id := v_contents[1 + floor(random() * contents)];
        %s
        done := done + 1;
        commit;
      end loop;
    end;
    $$ $loop$, name, statements);
end;
$make$;
call bench.make_loop('ours', $$
  perform public.toggle_like(v_user_id, 'post', v_content_id);
$$);
call bench.make_loop('count_rows', $$
  begin
    perform bench.toggle_like(v_user_id, v_content_id);
  exception when unique_violation then
    failed := failed + 1;
    continue;
  end;
$$);
