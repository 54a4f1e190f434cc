/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Loaded before PgBouncer, to keep its DNS library from remembering answers.
 *
 * Since 1.31 c-ares keeps every answer for its whole time to live, at most an hour, and PgBouncer
 * neither asks for that nor can turn it off: its own dns_max_ttl then only asks the same memory
 * again. The engine gives its answers 600 seconds, so after the database's container was replaced
 * PgBouncer would go on to the old address for ten minutes.
 */
#define _GNU_SOURCE
#include <ares.h>
#include <dlfcn.h>

typedef int init_function(ares_channel_t **, const struct ares_options *, int);

int ares_init_options(ares_channel_t **channel, const struct ares_options *options, int mask)
{
	init_function *next = (init_function *) dlsym(RTLD_NEXT, "ares_init_options");
	struct ares_options changed = *options;

	changed.qcache_max_ttl = 0;
	return next(channel, &changed, mask | ARES_OPT_QUERY_CACHE);
}
