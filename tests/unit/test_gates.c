/* SPDX-License-Identifier: Apache-2.0 */
/* Where a cgroup says that it is frozen, and what of a process keeps it from running. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watch/gates.h"

static void a_line_of_cgroup_leads_to_its_file(void **state)
{
	const struct {
		const char *line;
		unsigned try;
		const char *path;
	} rows[] = {
		{"0::/kubepods/pod1/abc\n", 0, "/sys/fs/cgroup/kubepods/pod1/abc/cgroup.events"},
		{"0::/a\n", 1, "/sys/fs/cgroup/unified/a/cgroup.events"},
		{"7:freezer:/docker/x\n8:cpu:/", 2, "/sys/fs/cgroup/freezer/docker/x/freezer.state"},
		{"7:freezer:/docker/x\n", 0, NULL},
		{"0::/a\n", 2, NULL},
		{"0::/../other\n", 0, NULL},
		{"4:memory:/a\n", 2, NULL},
		{"0::/a\n", 3, NULL},
		{"", 0, NULL},
		{"0::", 0, NULL},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[256];
		bool found = gates_freezer_file(rows[i].line, rows[i].try, path, sizeof(path));

		assert_int_equal(found, rows[i].path != NULL);
		if (found)
			assert_string_equal(path, rows[i].path);
	}
}

static void a_stopped_and_a_traced_process_are_told_apart(void **state)
{
	struct gates gates;
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		(void)raise(SIGSTOP);
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	gates_read(child, &gates);
	assert_true(gates.suspended);
	assert_false(gates.traced || gates.core_dump || gates.frozen);
	assert_int_equal(kill(child, SIGCONT), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	gates_read(child, &gates);
	assert_true(gates.traced);
	assert_false(gates.suspended);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	gates_read(child, &gates);
	assert_false(gates.suspended || gates.traced || gates.core_dump || gates.frozen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_of_cgroup_leads_to_its_file),
		cmocka_unit_test(a_stopped_and_a_traced_process_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
