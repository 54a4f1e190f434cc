// SPDX-License-Identifier: GPL-3.0-or-later
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashPassword, verifyPassword } from '../src/lib/password.ts'
import { poolConfig } from '../src/lib/pool.ts'
import { bookSlug, parseScan, routeOf } from '../src/lib/validation.ts'

test('a password verifies against its own hash only', async () => {
  const stored = await hashPassword('correct horse')
  assert.match(stored, /^scrypt\$16384\$8\$1\$/)
  assert.notEqual(stored, await hashPassword('correct horse'))
  assert.equal(await verifyPassword('correct horse', stored), true)
  assert.equal(await verifyPassword('Correct horse', stored), false)
  for (const broken of ['', 'x', 'plain$1$1$1$a$b', stored.slice(0, -8)]) assert.equal(await verifyPassword('x', broken), false)
})

test('a scan is validated', () => {
  assert.deepEqual(parseScan({ admissionNumber: 'A00001', sessionId: 3 }), { admissionNumber: 'A00001', sessionId: 3 })
  const refused = [null, 'x', {}, { admissionNumber: '', sessionId: 1 }, { admissionNumber: "A'; --", sessionId: 1 }]
  const wrongSessions = ['1', 0, -1, 1.5, NaN, 2 ** 31].map((sessionId) => ({ admissionNumber: 'A1', sessionId }))
  for (const body of [...refused, ...wrongSessions]) assert.equal(typeof parseScan(body), 'string', JSON.stringify(body))
})

test('the pool takes its limits from the environment, then from the URL', () => {
  const url = 'postgresql://u:p%40ss@db:6432/app?sslmode=disable&connection_limit=7&pool_timeout=3'
  const fromUrl = poolConfig({ DATABASE_URL: url })
  assert.equal(fromUrl.connectionString, 'postgresql://u:p%40ss@db:6432/app?sslmode=disable')
  assert.deepEqual([fromUrl.max, fromUrl.connectionTimeoutMillis], [7, 3000])
  const fromEnv = poolConfig({ DATABASE_URL: url, DATABASE_POOL_MAX: '25', DATABASE_POOL_TIMEOUT_MS: '500' })
  assert.deepEqual([fromEnv.max, fromEnv.connectionTimeoutMillis], [25, 500])
  const neither = poolConfig({ DATABASE_URL: 'postgresql://db/app', DATABASE_POOL_MAX: 'many' })
  assert.deepEqual([neither.max, neither.connectionTimeoutMillis], [10, 10000])
  assert.throws(() => poolConfig({}), /DATABASE_URL is not set/)
})

test('a book is a plain slug', () => {
  assert.equal(bookSlug('sample.pdf'), 'sample')
  for (const file of ['sample', '../x.pdf', '.pdf', 'a/b.pdf', 'A.pdf', 'a.pdf.exe']) assert.equal(bookSlug(file), undefined)
})

test('metric labels are a fixed set', () => {
  const cases = { '/': '/', '/login?x=1': '/login', '/api/scan': '/api/scan', '/api/books/sample.pdf': '/api/books/[file]',
    '/_next/static/a.js': '/_next/static', '/api/health/deep': '/api/health/deep', '/wp-admin': 'other' }
  for (const [path, route] of Object.entries(cases)) assert.equal(routeOf(path), route)
})
