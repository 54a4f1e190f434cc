// SPDX-License-Identifier: GPL-3.0-or-later
import { type NextAuthOptions, getServerSession } from 'next-auth'
import Credentials from 'next-auth/providers/credentials'
import { database } from './database.ts'
import { metrics } from './metrics.ts'
import { hashPassword, verifyPassword } from './password.ts'
import { type Identity, SESSION_SECONDS, createSession, endSession, touchSession } from './sessions.ts'

let nobody: Promise<string> | undefined

/** The user with this password; an unknown name costs the same time as a wrong password. */
export async function checkPassword(username: unknown, password: unknown): Promise<Identity | null> {
  if (typeof username !== 'string' || typeof password !== 'string' || password.length > 1024) return null
  const user = await database().prisma.user.findUnique({ where: { username } })
  const valid = await verifyPassword(password, user?.passwordHash ?? (await (nobody ??= hashPassword('nobody'))))
  metrics().signIns.inc({ result: user && valid ? 'ok' : 'failed' })
  return user && valid ? { id: String(user.id), name: user.name, role: user.role } : null
}

/** The cookie carries an encrypted token with the session's id; the session itself is a record in Redis. */
export const authOptions: NextAuthOptions = {
  session: { strategy: 'jwt', maxAge: SESSION_SECONDS },
  pages: { signIn: '/login', error: '/login' },
  providers: [
    Credentials({
      credentials: { username: { label: 'User name' }, password: { label: 'Password', type: 'password' } },
      authorize: (input) => checkPassword(input?.username, input?.password),
    }),
  ],
  callbacks: {
    async jwt({ token, user }) {
      if (user) token.sid = await createSession(user as Identity)
      return token
    },
    async session({ session, token }) {
      const identity = typeof token.sid === 'string' ? await touchSession(token.sid) : undefined
      return { expires: session.expires, user: identity }
    },
  },
  events: {
    async signOut({ token }) {
      if (typeof token?.sid === 'string') await endSession(token.sid)
    },
  },
}

export async function currentUser(): Promise<Identity | undefined> {
  return (await getServerSession(authOptions))?.user as Identity | undefined
}
