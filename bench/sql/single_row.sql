-- The engine as it is, but with one counter row for each content.
create or replace function likes.add_to_counter(content_type text, content_id uuid, delta integer, max_slots integer) returns text
language plpgsql volatile set search_path = '' as $$
begin
  insert into likes.counters as c (content_type, content_id, slot, likes)
  values (add_to_counter.content_type, add_to_counter.content_id, 0, delta)
  on conflict on constraint counters_pkey do update set likes = c.likes + excluded.likes, dirty = true;
  return 'was_dirty';
end;
$$;
