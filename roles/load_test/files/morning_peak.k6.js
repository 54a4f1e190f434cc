// SPDX-License-Identifier: GPL-3.0-or-later
// The morning peak (S79) for k6, at a constant rate:
//   SITE=https://school.example USERNAME=... PASSWORD=... k6 run morning_peak.k6.js
// From one address it meets the edge's limits: 5 sign-ins a second. The playbook load_test does not.
import { check } from 'k6'
import http from 'k6/http'

const site = __ENV.SITE
const rate = Number(__ENV.RATE || 2)

export const options = {
  scenarios: {
    morning_peak: {
      executor: 'constant-arrival-rate',
      rate,
      timeUnit: '1s',
      duration: __ENV.DURATION || '60s',
      preAllocatedVUs: 50,
      maxVUs: 500,
    },
  },
  thresholds: {
    http_req_failed: ['rate==0'],
    http_req_duration: ['p(95)<1000'],
    dropped_iterations: ['count==0'],
  },
}

export default function morningPeak() {
  http.cookieJar().clear(site)
  check(http.get(`${site}/`), { 'landing page': (answer) => answer.status === 200 })
  check(http.get(`${site}/login`), { 'sign-in page': (answer) => answer.status === 200 })
  const credentials = JSON.stringify({ username: __ENV.USERNAME, password: __ENV.PASSWORD })
  const headers = { 'Content-Type': 'application/json' }
  check(http.post(`${site}/api/auth/signin`, credentials, { headers }), { 'signed in': (answer) => answer.status === 200 })
  check(http.get(`${site}/dashboard`, { redirects: 0 }), { dashboard: (answer) => answer.status === 200 })
}
