// SPDX-License-Identifier: GPL-3.0-or-later
import { LoginForm } from './form.tsx'

export default function Login() {
  return (
    <>
      <h1>Sign in</h1>
      <LoginForm />
    </>
  )
}
