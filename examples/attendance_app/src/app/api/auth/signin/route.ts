// SPDX-License-Identifier: GPL-3.0-or-later
import { encode } from 'next-auth/jwt'
import { cookies } from 'next/headers'
import { redirect } from 'next/navigation'
import { checkPassword } from '../../../../lib/auth.ts'
import { SESSION_SECONDS, createSession } from '../../../../lib/sessions.ts'

export function GET(): never {
  redirect('/login')
}

/** Sign-in for scanners and programs: JSON in, JSON out, the same session and cookie as the form's. */
export async function POST(request: Request): Promise<Response> {
  // No form of another site can send this type, so no CSRF token is needed.
  if (!request.headers.get('content-type')?.startsWith('application/json'))
    return Response.json({ error: 'send application/json: {"username": ..., "password": ...}' }, { status: 415 })
  const body = (await request.json().catch(() => null)) as Record<string, unknown> | null
  const user = await checkPassword(body?.username, body?.password)
  if (!user) return Response.json({ error: 'wrong user name or password' }, { status: 401 })

  const sid = await createSession(user).catch(() => undefined)
  if (!sid) return Response.json({ error: 'sessions are not available, try again' }, { status: 503 })
  const token = { sub: user.id, name: user.name, sid }
  const secure = process.env.NEXTAUTH_URL?.startsWith('https://') ?? false
  const value = await encode({ token, secret: process.env.NEXTAUTH_SECRET ?? '', maxAge: SESSION_SECONDS })
  const name = `${secure ? '__Secure-' : ''}next-auth.session-token`
  ;(await cookies()).set(name, value, { httpOnly: true, sameSite: 'lax', secure, path: '/', maxAge: SESSION_SECONDS })
  return Response.json({ user })
}
