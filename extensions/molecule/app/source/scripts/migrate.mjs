// SPDX-License-Identifier: GPL-3.0-or-later
import { setTimeout } from 'node:timers/promises'
import pg from 'pg'

const { BOARD_TOKEN, BOARD_TROUBLE, DATABASE_URL } = process.env
if (BOARD_TROUBLE === 'slow migration') await setTimeout(600_000)
if (BOARD_TROUBLE === 'migration') {
  // As careless programs do.
  console.error(`cannot migrate ${DATABASE_URL} with ${BOARD_TOKEN}`)
  process.exit(3)
}
const client = new pg.Client({ connectionString: DATABASE_URL })
await client.connect()
await client.query(`
  CREATE TABLE IF NOT EXISTS notice (title text PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS migration (ran_at timestamptz DEFAULT now());
  INSERT INTO notice VALUES ('No lessons on Friday') ON CONFLICT DO NOTHING;
  INSERT INTO migration DEFAULT VALUES`)
await client.end()
