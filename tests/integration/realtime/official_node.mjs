// Runs the play in Node: settings come as JSON in the first line of the input, statements go out and answers come back line by line.
import { createInterface } from 'node:readline'
import { createClient } from '@supabase/supabase-js'
import WebSocket from 'ws'
import { play } from './official.mjs'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => JSON.parse((await lines.next()).value)
const write = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)

const env = await read()
const sql = (statement) => {
  write({ sql: statement })
  return read()
}
write({ story: await play(createClient, { ...env, transport: WebSocket, sql }) })
process.exit(0)
