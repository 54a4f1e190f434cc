// SPDX-License-Identifier: GPL-3.0-or-later
export default function Landing() {
  return (
    <>
      <h1>Good morning</h1>
      <p>Attendance by barcode, and books to read.</p>
      <p>
        <a href="/login">Sign in</a> · <a href="/dashboard">Dashboard</a> · <a href="/api/books/sample.pdf">Read a book</a>
      </p>
    </>
  )
}
