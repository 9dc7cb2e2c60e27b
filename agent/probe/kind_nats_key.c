/* SPDX-License-Identifier: Apache-2.0 */
/* nkeys are Ed25519 keys in base32 with a type in front and a CRC-16 behind; see kind_nats_key.h. */
#include "probe/kind_nats_key.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

enum {
	SECRET = 8192,
	KEY = 32,
	SEED_BYTES = 2 + KEY + 2, /* type, key, CRC */
	SEED_TEXT = 58,
	PUBLIC_BYTES = 1 + KEY + 2,
	SIGNATURE = 64,
	TYPE_USER = 20 << 3
};

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static bool decode(const char *text, size_t length, unsigned char *out, size_t bytes)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		const char *at = memchr(base32, text[i], 32);

		if (!at)
			return false;
		bits = bits << 5 | (uint32_t)(at - base32);
		have += 5;
		if (have >= 8) {
			if (used == bytes)
				return false;
			have -= 8;
			out[used++] = (unsigned char)(bits >> have);
		}
	}
	return used == bytes;
}

static void encode(const unsigned char *bytes, size_t count, char *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < count; i++) {
		bits = bits << 8 | bytes[i];
		for (have += 8; have >= 5; have -= 5)
			*out++ = base32[bits >> (have - 5) & 31];
	}
	if (have)
		*out++ = base32[bits << (5 - have) & 31];
	*out = '\0';
}

static uint16_t crc16(const unsigned char *bytes, size_t count)
{
	uint16_t crc = 0;

	for (size_t i = 0; i < count; i++) {
		crc ^= (uint16_t)(bytes[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

/* The key in a seed "SU…": NULL when it is none. */
static EVP_PKEY *read_seed(const char *text)
{
	unsigned char seed[SEED_BYTES];
	EVP_PKEY *key = NULL;

	if (decode(text, SEED_TEXT, seed, sizeof seed) &&
		crc16(seed, SEED_BYTES - 2) == (uint16_t)(seed[SEED_BYTES - 2] | seed[SEED_BYTES - 1] << 8))
		key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed + 2, KEY);
	explicit_bzero(seed, sizeof seed);
	return key;
}

static bool write_public(const EVP_PKEY *key, struct json *out)
{
	unsigned char bytes[PUBLIC_BYTES] = {TYPE_USER};
	char text[PUBLIC_BYTES * 8 / 5 + 2];
	size_t length = KEY;
	uint16_t crc;

	if (EVP_PKEY_get_raw_public_key(key, bytes + 1, &length) != 1)
		return false;
	crc = crc16(bytes, 1 + KEY);
	bytes[1 + KEY] = (unsigned char)crc;
	bytes[2 + KEY] = (unsigned char)(crc >> 8);
	encode(bytes, sizeof bytes, text);
	json_text(out, "nkey", text);
	return true;
}

/* base64url without padding */
static void write_signature(const unsigned char *signature, struct json *out)
{
	unsigned char text[SIGNATURE * 4 / 3 + 8];
	int length = EVP_EncodeBlock(text, signature, SIGNATURE);

	while (length > 0 && text[length - 1] == '=')
		text[--length] = '\0';
	for (int i = 0; i < length; i++)
		text[i] = (unsigned char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
	json_text(out, "sig", (const char *)text);
}

static bool sign(const char *seed, bool with_public, struct json *out, const char *nonce)
{
	EVP_PKEY *key = read_seed(seed);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char signature[SIGNATURE];
	size_t length = sizeof signature;
	bool done =
		key && context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
		EVP_DigestSign(context, signature, &length, (const unsigned char *)nonce, strlen(nonce)) == 1 &&
		(!with_public || write_public(key, out));

	if (done)
		write_signature(signature, out);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return done;
}

/* The line behind "-----BEGIN WHAT-----", ended with 0; NULL: there is none. */
static char *section(char *text, const char *begin)
{
	char *at = strstr(text, begin);

	at = at ? strchr(at, '\n') : NULL;
	if (!at)
		return NULL;
	at += 1 + strspn(at + 1, " \t\r\n");
	at[strcspn(at, " \t\r\n")] = '\0';
	return at;
}

static bool write_credentials(char *file, struct json *out, const char *nonce)
{
	char *seed_begins = strstr(file, "BEGIN USER NKEY SEED");
	char *seed = seed_begins ? section(seed_begins, "BEGIN USER NKEY SEED") : NULL;
	char *jwt = section(file, "BEGIN NATS USER JWT");

	if (!seed || !jwt || strlen(seed) != SEED_TEXT)
		return false;
	json_text(out, "jwt", jwt);
	return sign(seed, false, out, nonce);
}

static bool write_secret(const struct dependency *of, char *secret, struct json *out, const char *nonce)
{
	const char *user = of->at.user;

	if (strstr(secret, "BEGIN NATS USER JWT"))
		return write_credentials(secret, out, nonce);
	if (!user[0] && strlen(secret) == SEED_TEXT && strncmp(secret, "SU", 2) == 0)
		return sign(secret, true, out, nonce);
	if (user[0] && secret[0]) {
		json_text(out, "user", user);
		json_text(out, "pass", secret);
	} else if (user[0] || secret[0]) { /* one word alone is a token */
		json_text(out, "auth_token", user[0] ? user : secret);
	}
	return true;
}

bool nats_write_identity(struct attempt *attempt, struct json *out, const char *nonce)
{
	char secret[SECRET];
	bool done;

	if (!attempt_password(attempt, secret, sizeof secret))
		return false;
	done = write_secret(attempt->of, secret, out, nonce);
	explicit_bzero(secret, sizeof secret);
	return done ||
	       attempt_fail(attempt, PROBE_INTERNAL, "the nkey seed or credentials file cannot be used");
}
