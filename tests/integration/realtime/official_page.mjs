// Puts the play into a page; `sql` is a function that the test gives the page.
import { createClient } from '@supabase/supabase-js'
import { play } from './official.mjs'

window.run = (env) => play(createClient, { ...env, sql: (statement) => window.sql(statement) })
