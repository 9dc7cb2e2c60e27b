/* SPDX-License-Identifier: Apache-2.0 */
/* An entry of the process table is anybody's word: it is true only of the process whose memory says the same. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watch/coverage.h"

static uint64_t witness; /* as the shim has one */

static struct process_record entry_of(pid_t pid, uint64_t stamp)
{
	return (struct process_record){.claim = (uint32_t)pid, .pid = pid, .stamp = stamp, .witness = (uint64_t)(uintptr_t)&witness};
}

static void an_entry_is_true_of_who_made_it_alone(void **state)
{
	struct process_record entry;
	pid_t child;

	(void)state;
	witness = 4711;
	child = fork(); /* it has the word, too, as a forked child of a service has */
	if (child == 0) {
		witness = 4712; /* and its own since it joined */
		for (;;)
			(void)pause();
	}
	entry = entry_of(getpid(), 4711);
	assert_true(coverage_entry_is_true(&entry));
	entry = entry_of(getpid(), 4712);
	assert_false(coverage_entry_is_true(&entry));
	do
		entry = entry_of(child, 4712);
	while (!coverage_entry_is_true(&entry)); /* once it has written */
	entry = entry_of(child, 4711);
	assert_false(coverage_entry_is_true(&entry));
	entry = entry_of(child, 4712);
	entry.witness = 16; /* nothing is mapped there */
	assert_false(coverage_entry_is_true(&entry));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	entry = entry_of(child, 4712);
	assert_false(coverage_entry_is_true(&entry));
	entry = entry_of(0, 4711);
	assert_false(coverage_entry_is_true(&entry));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_is_true_of_who_made_it_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
