// SPDX-License-Identifier: GPL-3.0-or-later
'use client'

import { signIn } from 'next-auth/react'
import { type FormEvent, useState } from 'react'

export function LoginForm() {
  const [failed, setFailed] = useState(false)

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const fields = Object.fromEntries(new FormData(event.currentTarget))
    const result = await signIn('credentials', { ...fields, redirect: false })
    if (result?.ok) window.location.assign('/dashboard')
    else setFailed(true)
  }

  return (
    <form onSubmit={submit}>
      <input name="username" placeholder="User name" autoComplete="username" required />
      <input name="password" type="password" placeholder="Password" autoComplete="current-password" required />
      <button>Sign in</button>
      {failed && <p role="alert">Wrong user name or password.</p>}
    </form>
  )
}
