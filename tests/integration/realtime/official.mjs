// What supabase-js has to be able to do on our server: one play for Node and for a browser, told as plain data.
// `env` brings {url, key, tokens: {me, other}, me, vsn, transport?, sql}, where sql runs a statement on the database.

const PATIENCE_MS = 8000

function patiently(what, promise) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE_MS))
  return Promise.race([promise, late])
}

/** A list that can be awaited: `next` resolves with the next entry that satisfies the wish. */
function inbox() {
  const entries = []
  const waiting = []
  const push = (entry) => {
    const index = waiting.findIndex(({ wish }) => wish(entry))
    if (index < 0) entries.push(entry)
    else waiting.splice(index, 1)[0].resolve(entry)
  }
  const next = (what, wish = () => true) => {
    const index = entries.findIndex(wish)
    if (index >= 0) return Promise.resolve(entries.splice(index, 1)[0])
    return patiently(what, new Promise((resolve) => waiting.push({ wish, resolve })))
  }
  return { push, next, entries }
}

export async function play(createClient, env) {
  const client = (token) =>
    createClient(env.url, env.key, {
      accessToken: async () => token,
      realtime: { vsn: env.vsn, ...(env.transport ? { transport: env.transport } : {}) },
    })
  const mine = client(env.tokens.me)
  const theirs = client(env.tokens.other)
  // Else the first join goes out with the key, before the token is there.
  await Promise.all([mine.realtime.setAuth(), theirs.realtime.setAuth()])

  const join = async (from, topic, config = {}, listen = () => {}) => {
    const channel = from.channel(topic, { config: { private: true, ...config } })
    const heard = inbox()
    const states = inbox()
    channel.on('broadcast', { event: '*' }, (message) => heard.push(message))
    listen(channel)
    channel.subscribe((status, error) => states.push({ status, reason: error?.message ?? null }))
    return { channel, heard, states, joined: await states.next(`joining ${topic}`) }
  }
  const plain = ({ meta, ...message }) => ({ ...message, ...(meta ? { meta: { ...meta, id: typeof meta.id } } : {}) })
  const story = {}

  // Authorization
  const own = await join(mine, `user:${env.me}`)
  const foreign = await join(theirs, `user:${env.me}`)
  story.own = own.joined
  story.foreign = foreign.joined
  await theirs.removeChannel(foreign.channel)

  // Broadcast between clients
  const here = await join(mine, 'room:js', { broadcast: { ack: true, self: false } })
  const there = await join(theirs, 'room:js')
  story.sent = await here.channel.send({ type: 'broadcast', event: 'hello', payload: { text: 'ü' } })
  story.received = await there.heard.next('a broadcast')
  story.echo = here.heard.entries.length
  if (env.vsn === '2.0.0') {
    await here.channel.send({ type: 'broadcast', event: 'bytes', payload: new Uint8Array([0, 255]).buffer })
    const bytes = await there.heard.next('bytes')
    story.bytes = [...new Uint8Array(bytes.payload)]
  }

  // Who may not write is not heard
  const reader = await join(mine, 'read:js')
  const readers = await join(theirs, 'read:js')
  await reader.channel.send({ type: 'broadcast', event: 'forged', payload: {} })
  await env.sql(`select realtime.send('{"n": 1}', 'real', 'read:js')`)
  story.database = plain(await readers.heard.next('a database broadcast'))
  story.sameId = story.database.payload.id === undefined ? null : typeof story.database.payload.id

  // HTTP
  story.http = await here.channel.httpSend('posted', { n: 2 })
  story.posted = await there.heard.next('a posted broadcast')
  story.postRefused = await reader.channel.httpSend('posted', {}).catch((error) => error.message)

  // Presence
  const seen = inbox()
  const watch = (channel) => {
    channel.on('presence', { event: 'join' }, ({ key, newPresences }) => seen.push(`${key} came with ${newPresences[0].mood}`))
    channel.on('presence', { event: 'leave' }, ({ key, leftPresences }) => seen.push(`${key} left with ${leftPresences[0].mood}`))
  }
  await join(mine, 'room:presence', { presence: { key: 'watcher' } }, watch)
  const guest = await join(theirs, 'room:presence', { presence: { key: 'guest' } })
  const moods = []
  story.tracked = await guest.channel.track({ mood: 'good' })
  moods.push(await seen.next('a join'))
  await guest.channel.track({ mood: 'better' })
  moods.push(await seen.next('a join'), await seen.next('a leave'))
  await guest.channel.untrack()
  moods.push(await seen.next('a leave'))
  story.moods = moods

  // Replay
  await env.sql(`select realtime.send('{"n": 3}', 'missed', 'room:replay-js-${env.vsn}')`)
  const late = await join(mine, `room:replay-js-${env.vsn}`, { broadcast: { replay: { since: 0, limit: 5 } } })
  story.replayed = plain(await late.heard.next('a replayed message'))

  // Goodbye
  story.removed = await mine.removeChannel(here.channel)
  story.closed = (await here.states.next('the end')).status
  const again = await join(mine, 'room:js')
  story.again = again.joined.status
  await Promise.all([mine.removeAllChannels(), theirs.removeAllChannels()])
  return story
}
