// SPDX-License-Identifier: GPL-3.0-or-later
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { metrics } from './metrics.ts'
import { routeOf } from './validation.ts'

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Measures every request of the process at the HTTP server, where no route can be forgotten. */
export function observeServer(): void {
  subscribe('http.server.request.start', (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
    const route = routeOf(request.url ?? '')
    const method = METHODS.has(request.method ?? '') ? request.method : 'other'
    const stop = metrics().requests.startTimer()
    response.once('close', () => stop({ method, route, status: response.writableFinished ? response.statusCode : 499 }))
  })
}
