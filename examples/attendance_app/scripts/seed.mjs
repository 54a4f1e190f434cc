// SPDX-License-Identifier: GPL-3.0-or-later
// Demo data: users, students, class sessions, books. Runs as often as you like; a second run only sets the password.
//   DEMO_PASSWORD  the users' password, at least 12 characters; or the first line of standard input
//   DEMO_USERS     teachers teacher001, teacher002, ... beside "admin" (default 20)
//   DEMO_STUDENTS  students with the admission numbers A00001, A00002, ... (default 1000)
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { hashPassword } from '../src/lib/password.ts'
import { poolConfig } from '../src/lib/pool.ts'

const password = process.env.DEMO_PASSWORD ?? readFileSync(0, 'utf8').split('\n', 1)[0]
if (password.length < 12) {
  console.error('seed: set DEMO_PASSWORD to at least 12 characters, or send the password on standard input')
  process.exit(2)
}
const teachers = Number(process.env.DEMO_USERS ?? 20)
const students = Number(process.env.DEMO_STUDENTS ?? 1000)

const hash = await hashPassword(password)
const client = new pg.Client(poolConfig(process.env))
await client.connect()
try {
  await client.query('BEGIN')
  await client.query(`INSERT INTO "User" ("username", "name", "role", "passwordHash")
    SELECT 'admin', 'Admin', 'admin', $1 UNION ALL
    SELECT 'teacher' || lpad(n::text, 3, '0'), 'Teacher ' || n, 'teacher', $1 FROM generate_series(1, $2::int) n
    ON CONFLICT ("username") DO UPDATE SET "passwordHash" = EXCLUDED."passwordHash"`, [hash, teachers])
  await client.query(`INSERT INTO "Student" ("admissionNumber", "name")
    SELECT 'A' || lpad(n::text, 5, '0'), 'Student ' || n FROM generate_series(1, $1::int) n ON CONFLICT DO NOTHING`, [students])
  await client.query(`INSERT INTO "ClassSession" ("name", "startsAt")
    SELECT 'Lesson ' || n, CURRENT_DATE + interval '1 hour' * (n + 7) FROM generate_series(1, 10) n ON CONFLICT DO NOTHING`)
  await client.query(`INSERT INTO "Book" ("slug", "title", "author", "pages")
    VALUES ('sample', 'The First Bell', 'firstbell contributors', 12) ON CONFLICT DO NOTHING`)
  await client.query('COMMIT')
} finally {
  await client.end()
}
console.log(`seed: admin, ${teachers} teachers, ${students} students, 10 class sessions, 1 book`)
