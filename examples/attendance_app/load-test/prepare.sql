-- SPDX-License-Identifier: GPL-3.0-or-later
-- Users, students and a class session that no school has. Their numbers and the password's hash come as settings.
INSERT INTO "User" ("username", "name", "role", "passwordHash")
SELECT 'load-test-' || n, 'Load test ' || n, 'teacher', 'scrypt$16384$8$1$' || current_setting('load_test.scrypt')
FROM generate_series(1, current_setting('load_test.users')::int) n;

INSERT INTO "Student" ("admissionNumber", "name")
SELECT 'LOAD-TEST-' || n, 'Load test ' || n FROM generate_series(1, current_setting('load_test.students')::int) n;

INSERT INTO "ClassSession" ("id", "name", "startsAt") VALUES (2000000001, 'Load test', now());
