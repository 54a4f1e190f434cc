// SPDX-License-Identifier: GPL-3.0-or-later
import { randomUUID } from 'node:crypto'
import { redis } from './redis.ts'

export const SESSION_SECONDS = 8 * 60 * 60
const READER_SECONDS = 5 * 60

// session:<id> is the record and expires by itself; the sorted sets (member, expiry) make counting cheap.
const INDEX = 'sessions'
const READERS = 'readers'

export type Identity = { id: string; name: string; role: string }

const now = () => Math.floor(Date.now() / 1000)
const today = () => `users:${new Date().toISOString().slice(0, 10)}`

export async function createSession(identity: Identity): Promise<string> {
  const id = randomUUID()
  const replies = await redis()
    .pipeline()
    .set(`session:${id}`, JSON.stringify(identity), 'EX', SESSION_SECONDS)
    .zadd(INDEX, now() + SESSION_SECONDS, id)
    .pfadd(today(), identity.id)
    .expire(today(), 8 * 24 * 60 * 60)
    .exec()
  const error = replies?.find(([failure]) => failure)?.[0]
  if (error) throw error
  return id
}

/** The session's owner, its life renewed; undefined when it has ended or Redis cannot tell. */
export async function touchSession(id: string): Promise<Identity | undefined> {
  try {
    const record = await redis().getex(`session:${id}`, 'EX', SESSION_SECONDS)
    if (!record) return undefined
    await redis().zadd(INDEX, now() + SESSION_SECONDS, id)
    return JSON.parse(record) as Identity
  } catch {
    return undefined
  }
}

export async function endSession(id: string): Promise<void> {
  await redis().pipeline().del(`session:${id}`).zrem(INDEX, id).exec()
}

export async function noteReader(reader: string): Promise<void> {
  await redis().zadd(READERS, now() + READER_SECONDS, reader).catch(() => undefined)
}

const countLive = (key: string) => redis().zremrangebyscore(key, '-inf', now()).then(() => redis().zcard(key))

export const countSessions = () => countLive(INDEX)
export const countReaders = () => countLive(READERS)
export const countUsersToday = () => redis().pfcount(today())
