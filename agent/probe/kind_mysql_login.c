/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_mysql_login.h"

#include <openssl/evp.h>
#include <string.h>

enum { CHARSET = 45 /* utf8mb4_general_ci */, LARGEST = 1 << 24 };

struct digest {
	const EVP_MD *kind;
	size_t bytes;
	bool scramble_first;
};

/* XOR of H(password) and H of the scramble and H(H(password)), in the plugin's order. */
static bool prove(const struct digest *how, const char *password, const uint8_t *scramble, uint8_t *out)
{
	uint8_t once[EVP_MAX_MD_SIZE], text[MYSQL_SCRAMBLE + EVP_MAX_MD_SIZE], mask[EVP_MAX_MD_SIZE];
	uint8_t *twice = how->scramble_first ? text + MYSQL_SCRAMBLE : text;
	bool good;

	memcpy(how->scramble_first ? text : text + how->bytes, scramble, MYSQL_SCRAMBLE);
	good = EVP_Digest(password, strlen(password), once, NULL, how->kind, NULL) == 1 &&
	       EVP_Digest(once, how->bytes, twice, NULL, how->kind, NULL) == 1 &&
	       EVP_Digest(text, MYSQL_SCRAMBLE + how->bytes, mask, NULL, how->kind, NULL) == 1;
	for (size_t i = 0; i < how->bytes; i++)
		out[i] = once[i] ^ mask[i];
	explicit_bzero(once, sizeof(once));
	explicit_bzero(text, sizeof(text));
	return good;
}

int mysql_login_proof(
	const struct mysql_greeting *greeting, const char *password, bool is_private, uint8_t out[MYSQL_REPLY])
{
	static const char *const clear[] = {"mysql_clear_password", "sha256_password", "dialog"};
	const struct digest native = {EVP_sha1(), 20, true}, caching = {EVP_sha256(), 32, false};
	bool is_native = !*greeting->plugin || !strcmp(greeting->plugin, "mysql_native_password");

	if (is_native || !strcmp(greeting->plugin, "caching_sha2_password")) {
		const struct digest *how = is_native ? &native : &caching;

		if (!*password)
			return 0;
		return prove(how, password, greeting->scramble, out) ? (int)how->bytes : MYSQL_NO_PLUGIN;
	}
	for (size_t i = 0; i < sizeof(clear) / sizeof(*clear); i++) {
		if (strcmp(greeting->plugin, clear[i]) != 0)
			continue;
		if (!is_private || strlen(password) >= MYSQL_REPLY)
			return MYSQL_NOT_PRIVATE;
		memcpy(out, password, strlen(password) + 1);
		return (int)strlen(password) + 1;
	}
	return MYSQL_NO_PLUGIN;
}

static void put(uint8_t *at, unsigned bytes, uint32_t number)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(number >> (8 * i));
}

size_t mysql_login_begin(uint32_t capabilities, uint8_t *out)
{
	memset(out, 0, 32);
	put(out, 4, capabilities);
	put(out + 4, 4, LARGEST);
	out[8] = CHARSET;
	return 32;
}

/* A text with its 0. */
static size_t put_text(uint8_t *at, const char *text)
{
	memcpy(at, text, strlen(text) + 1);
	return strlen(text) + 1;
}

size_t mysql_login_all(uint32_t capabilities, const char *user, const uint8_t *proof, size_t proof_bytes,
	const char *database, const char *plugin, uint8_t out[MYSQL_REPLY])
{
	static const char name[] = "program_name", self[] = "lifesign";
	size_t used = mysql_login_begin(capabilities, out);

	if (proof_bytes > 250 || strlen(user) + strlen(database) + strlen(plugin) > MYSQL_REPLY - 512)
		return 0;
	used += put_text(out + used, user);
	out[used++] = (uint8_t)proof_bytes;
	memcpy(out + used, proof, proof_bytes);
	used += proof_bytes;
	if (capabilities & MYSQL_WITH_DATABASE)
		used += put_text(out + used, database);
	if (capabilities & MYSQL_PLUGINS)
		used += put_text(out + used, plugin);
	if (capabilities & MYSQL_ATTRIBUTES) {
		out[used++] = (uint8_t)(sizeof(name) + sizeof(self)); /* each without its 0, with its length */
		out[used++] = (uint8_t)(sizeof(name) - 1);
		memcpy(out + used, name, sizeof(name) - 1);
		used += sizeof(name) - 1;
		out[used++] = (uint8_t)(sizeof(self) - 1);
		memcpy(out + used, self, sizeof(self) - 1);
		used += sizeof(self) - 1;
	}
	return used;
}
