/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are, as NATS wants it told: user and password, token, an nkey seed, or a credentials file (a JWT and
 * the seed that belongs to it). Threads: any. Failure: false, with the attempt failed. Memory: what is written
 * lies in `out`.
 */
#ifndef LS_PROBE_KIND_NATS_KEY_H
#define LS_PROBE_KIND_NATS_KEY_H

#include "base/json.h"
#include "probe/attempt.h"

/* The members of CONNECT that say it. `nonce`: what the server wants signed, empty: nothing. */
bool nats_write_identity(struct attempt *attempt, struct json *out, const char *nonce);

#endif
