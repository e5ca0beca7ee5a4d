-- The load: each connection calls its own loop, which commits every like durably. Neither a client nor the planner stands in the
-- way of the figures: the calls are static ones, as those that PostgREST prepares.
create schema bench;

-- Makes procedure bench.run_<name>: `statements` with each of `people` in an order of its own and one of the first `contents` posts,
-- again and again. Little else runs in the loop, since a like is measured in fractions of a millisecond.
create procedure bench.make_loop(name text, statements text) language plpgsql as $make$
begin
  execute format($loop$
    create or replace procedure bench.run_%s(people integer, contents integer, seconds double precision, inout done bigint default 0, inout failed bigint default 0)
    language plpgsql as $$
    declare
      v_end timestamptz := clock_timestamp() + make_interval(secs => seconds);
      v_people uuid[] := array(select p.id from (select u.id from public.users u order by u.id limit people) p order by random());
      v_contents uuid[] := array(select p.id from public.posts p order by p.id limit contents);
      v_user_id uuid;
      v_content_id uuid;
      v_answer jsonb;
    begin
      loop
        foreach v_user_id in array v_people loop
          v_content_id := v_contents[1 + done %% contents];
          %s
          done := done + 1;
          commit;
          if clock_timestamp() >= v_end then
            return;
          end if;
        end loop;
      end loop;
    end;
    $$ $loop$, name, statements);
end;
$make$;
call bench.make_loop('ours', $$
  v_answer := public.toggle_like(v_user_id, 'post', v_content_id);
$$);
call bench.make_loop('count_rows', $$
  begin
    v_answer := bench.toggle_like(v_user_id, 'post', v_content_id);
  exception when unique_violation then
    failed := failed + 1;
    continue;
  end;
$$);
