// SPDX-License-Identifier: GPL-3.0-or-later
export type Scan = { admissionNumber: string; sessionId: number }

/** What a scanner sent, or the reason why it is refused. */
export function parseScan(body: unknown): Scan | string {
  if (typeof body !== 'object' || body === null) return 'the body must be a JSON object'
  const { admissionNumber, sessionId } = body as Record<string, unknown>
  if (typeof admissionNumber !== 'string' || !/^[A-Za-z0-9-]{1,32}$/.test(admissionNumber))
    return 'admissionNumber must be 1 to 32 letters, digits or dashes'
  if (typeof sessionId !== 'number' || !Number.isInteger(sessionId) || sessionId < 1 || sessionId > 2147483647)
    return 'sessionId must be a positive integer'
  return { admissionNumber, sessionId }
}

/** The slug of "<slug>.pdf", and nothing that could leave the folder of books. */
export function bookSlug(file: string): string | undefined {
  return /^([a-z0-9][a-z0-9-]{0,63})\.pdf$/.exec(file)?.[1]
}

const ROUTES: [RegExp, string][] = [
  [/^\/(login|dashboard)?$/, ''],
  [/^\/api\/(scan|books|metrics|health|health\/deep|auth\/(session|signin|csrf|signout|providers))$/, ''],
  [/^\/api\/books\/[^/]+$/, '/api/books/[file]'],
  [/^\/api\/auth\/callback\/credentials$/, ''],
  [/^\/_next\/static\//, '/_next/static'],
]

/** The route of a path as a metric label: a fixed set, whatever clients ask for. */
export function routeOf(path: string): string {
  const clean = path.split('?', 1)[0] ?? ''
  for (const [pattern, name] of ROUTES) if (pattern.test(clean)) return name || clean
  return 'other'
}
