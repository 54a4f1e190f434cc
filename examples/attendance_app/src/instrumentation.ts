// SPDX-License-Identifier: GPL-3.0-or-later
export async function register() {
  if (process.env.NEXT_RUNTIME === 'nodejs') (await import('./lib/server.ts')).observeServer()
}
