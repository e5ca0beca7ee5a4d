-- Each call on its own, timed in the database with its durable commit: no client stands in the way of the figures.
create schema bench;
create table bench.plain (at timestamptz);

create function bench.items(posts uuid[]) returns jsonb language sql as $$
  select jsonb_agg(jsonb_build_object('content_type', 'post', 'content_id', p)) from unnest(posts) p
$$;

-- Makes procedure bench.time_<name>: the median of `rounds` (v_n counts them) of `call` in milliseconds, each after `before`.
create procedure bench.make_timed(name text, before text, call text) language plpgsql as $make$
begin
  execute format($timed$
    create procedure bench.time_%s(people uuid[], posts uuid[], rounds integer, inout p50_ms double precision default 0) language plpgsql as $$
    declare
      v_items jsonb;
      v_begun timestamptz;
      v_times double precision[];
    begin
      for v_n in 1..rounds loop
        %s
        commit;
        v_begun := clock_timestamp();
        %s
        commit;
        v_times := v_times || extract(epoch from clock_timestamp() - v_begun)::double precision * 1000;
      end loop;
      select percentile_cont(0.5) within group (order by t) into p50_ms from unnest(v_times) t;
    end;
    $$ $timed$, name, before, call);
end;
$make$;
-- The yardstick.
call bench.make_timed('insert', '', 'insert into bench.plain (at) values (now());');
-- A like of a quiet post, with its event.
call bench.make_timed('toggle', '', $$perform public.toggle_like(people[2], 'post', posts[v_n]);$$);
-- The like state of a feed page.
call bench.make_timed('status', 'v_items := bench.items(posts[v_n : v_n + 99]);', 'perform public.get_like_status(v_items);');
-- One post with 50 new likes.
call bench.make_timed('settle', $$
  for v_person in 2..51 loop
    perform public.toggle_like(people[v_person], 'post', posts[cardinality(posts) - v_n]);
    commit;
  end loop;
  update likes.activity set settle_due_at = null, window_ends_at = '-infinity';
  v_items := bench.items(posts[cardinality(posts) - v_n : cardinality(posts) - v_n]);
$$, 'perform public.settle_likes(v_items);');
-- A screen of 20, with all the other viewers there.
call bench.make_timed(
  'heartbeat', 'v_items := bench.items(posts[1 + v_n % 5 : 20 + v_n % 5]);', 'perform public.sync_viewing(gen_random_uuid(), v_items);');
