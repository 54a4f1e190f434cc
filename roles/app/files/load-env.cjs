// SPDX-License-Identifier: GPL-3.0-or-later
// Loaded by `node --require` before the app: puts the lines NAME="json string" (or NAME=plain) of the secret file
// into process.env. A variable that is already set wins; without the file nothing happens.
'use strict'

const path = process.env.APP_ENV_FILE || '/run/secrets/app.env'
let lines = []
try {
  lines = require('node:fs').readFileSync(path, 'utf8').split(/\r?\n/)
} catch (error) {
  if (error.code !== 'ENOENT') process.stderr.write(`load-env: ${path} cannot be read: ${error.code}\n`)
}
lines.forEach((line, index) => {
  if (/^\s*(#|$)/.test(line)) return
  const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line)
  try {
    const [, name, value] = match
    if (process.env[name] === undefined) process.env[name] = value.startsWith('"') ? JSON.parse(value) : value
  } catch {
    process.stderr.write(`load-env: ${path}: line ${index + 1} is not NAME="value"\n`)
  }
})
