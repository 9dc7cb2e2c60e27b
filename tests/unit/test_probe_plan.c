/* SPDX-License-Identifier: Apache-2.0 */
/* What the prober is told to ask: plans that change, plans that are none, and kinds that cannot be loaded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>

#include "unit/probe_stage.h"

static void what_did_not_change_goes_on(void **state)
{
	struct probe_plan *plan = plan_of(0, 2, 30000, 20000);
	struct dependency *list = plan->set.list;
	struct probe_result result;

	(void)state;
	tell_plan(plan);
	(void)next();
	(void)next();
	list[1] = list[0]; /* d0 stands elsewhere now, and other things are made of its answer */
	list[1].class = DEPENDENCY_HARD;
	list[1].line = 77;
	strcpy(list[1].needs[0], "d2");
	list[1].need_count = 1;
	strcpy(list[0].name, "d2");
	plan->set.epoch += 1000;
	tell_plan(plan);
	do
		result = next();
	while (result.dependency != 1 || (int)result.value != 2); /* it is asked at once, under its new number */
	assert_true(COMES_TRUE(stage->actors[1].closed == 1));
	assert_true(COMES_TRUE(stage->actors[2].returned == 1));
	assert_int_equal(stage->actors[0].opened, 1);
	assert_int_equal(stage->actors[0].closed, 0);
	assert_int_equal(stage->actors[1].asked, 1);
	strcpy(list[1].url, "exec:other"); /* what is asked has changed: it begins anew */
	plan->set.epoch++;
	tell_plan(plan);
	free(plan);
	assert_true(COMES_TRUE(stage->actors[0].opened == 2 && stage->actors[0].closed == 1));
	assert_int_equal(stage->actors[2].opened, 1);
}

static void a_new_agent_is_told_the_last_results_again(void **state)
{
	struct probe_plan *plan = plan_of(0, 1, 30000, 20000);
	struct probe_result first, again;

	(void)state;
	tell_plan(plan);
	first = next();
	for (unsigned i = 0; i < 3; i++) {
		tell_plan(plan);
		again = next();
		assert_true(again.began == first.began && again.ended == first.ended && again.cycle == first.cycle);
		assert_true(again.sequence > first.sequence);
	}
	assert_int_equal(stage->actors[0].asked, 1);
	assert_false(hear(&again, 100));
	plan->period_ns = 29 * NS_PER_SECOND; /* the same, more often: at once then */
	tell_plan(plan);
	free(plan);
	assert_true(COMES_TRUE(stage->actors[0].asked == 2));
	assert_int_equal(stage->actors[0].opened, 1);
}

/* Nobody publishes what another attempt of the same dependency might contradict. */
static void what_is_no_longer_asked_is_ended_and_not_told(void **state)
{
	struct probe_result result;

	(void)state;
	stage->actors[0].does = ACT_HELD;
	stage->actors[1].does = ACT_WAIT;
	tell_plan_of(0, 2, 30000, 20000);
	assert_true(COMES_TRUE(stage->actors[0].asked == 1 && stage->actors[1].asked == 1));
	tell_plan_of(2, 1, 30000, 20000);
	assert_true(COMES_TRUE(stage->actors[0].closed == 1)); /* it was shut down long before its deadline */
	assert_int_equal(stage->actors[1].closed, 0);          /* that one cannot be: it ends when it comes back */
	stage->actors[1].does = ACT_UP;
	assert_true(COMES_TRUE(stage->actors[1].closed == 1));
	result = next();
	assert_true((int)result.value == 1 && result.dependency == 0);
	assert_false(hear(&result, 100));
}

static void nothing_to_ask_is_a_plan_too(void **state)
{
	struct probe_result result;

	(void)state;
	tell_plan_of(0, 20, 10, 20000);
	(void)next();
	tell_plan_of(0, 0, 10, 20000);
	for (unsigned i = 0; i < 20; i++)
		assert_true(COMES_TRUE(stage->actors[i].closed == 1));
	assert_false(hear(&result, 100));
	tell_plan_of(0, 1, 10, 20000);
	assert_int_equal(next().status, PROBE_UP);
}

/* Whoever hangs keeps a thread; a plan that changes often must not gather them. */
static void too_many_that_will_not_leave_end_the_prober(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		stage->actors[i].does = ACT_WAIT;
	tell_plan_of(0, 20, 60000, 60000);
	for (unsigned i = 0; i < 20; i++)
		assert_true(COMES_TRUE(stage->actors[i].asked == 1));
	tell_plan_of(20, 20, 60000, 60000);
	for (unsigned i = 20; i < 40; i++)
		assert_true(COMES_TRUE(stage->actors[i].asked == 1)); /* 20 are borne with */
	tell_plan_of(40, 1, 60000, 60000);
	assert_int_equal(prober_status(), 75);
}

/* ---- what is none */

static unsigned descriptors(void)
{
	char path[64];
	unsigned count = 0;
	DIR *list;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)prober.pid);
	list = opendir(path);
	assert_non_null(list);
	while (readdir(list))
		count++;
	closedir(list);
	return count;
}

static void spoil(struct probe_plan *plan, size_t *bytes, unsigned how)
{
	switch (how) {
	case 0: plan->version++; break;
	case 1: plan->set.version++; break;
	case 2: plan->set.bytes--; break;
	case 3: plan->set.count++; break;
	case 4: plan->set.count = DEPENDENCIES + 1; break;
	case 5: plan->set.list[0].kind = DEPENDENCY_KINDS; break;
	case 6: plan->set.list[0].kind = (enum dependency_kind)-1; break;
	case 7: plan->period_ns = 0; break;
	case 8: plan->timeout_ns = -1; break;
	case 9: plan->set.group_count = DEPENDENCY_GROUPS + 1; break;
	case 10: *bytes -= 1; break;
	case 11: *bytes = sizeof(*plan) - 1; break;
	case 12: *bytes = 1; break;
	case 13: *bytes = 0; break;
	default: fail(); break;
	}
}

static void a_plan_that_is_none_changes_nothing(void **state)
{
	struct probe_request take = {.version = PROBE_WIRE_VERSION, .kind = PROBE_TAKE};
	struct probe_result result;
	unsigned before;

	(void)state;
	tell_plan_of(0, 1, 30000, 20000);
	(void)next();
	before = descriptors();
	for (unsigned how = 0; how < 14; how++) {
		struct probe_plan *plan = plan_of(1, 2, 30000, 20000);
		size_t bytes = plan_bytes(plan);

		spoil(plan, &bytes, how);
		tell(&take, sizeof(take), in_memory(plan, bytes));
		free(plan);
	}
	tell(&take, sizeof(take), open("/dev/null", O_RDWR | O_CLOEXEC));
	tell(&take, sizeof(take), open("/", O_RDONLY | O_CLOEXEC));
	tell(&take, sizeof(take), socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	tell(&take, sizeof(take), -1);
	assert_false(hear(&result, 200));
	assert_int_equal(stage->actors[1].opened + stage->actors[2].opened, 0);
	assert_int_equal(descriptors(), before);
	tell_again(0, prober.epoch, 0);
	assert_true((int)next().value == 2);
}

static void tell_two_descriptors(const void *bytes, size_t count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec part = {(void *)(uintptr_t)bytes, count};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int fds[2] = {prober.socket, prober.socket};

	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	assert_int_equal(sendmsg(prober.socket, &message, MSG_NOSIGNAL), (ssize_t)count);
}

static void words_that_are_none_are_dropped_with_what_came_with_them(void **state)
{
	struct probe_plan *plan = plan_of(1, 1, 30000, 20000);
	struct probe_request request = {.version = PROBE_WIRE_VERSION, .kind = PROBE_TAKE};
	struct probe_result result;
	char large[4096] = {0};
	unsigned before;

	(void)state;
	tell_plan_of(0, 1, 30000, 20000);
	(void)next();
	before = descriptors();
	for (unsigned i = 0; i < 3; i++)
		tell_two_descriptors(&request, sizeof(request));
	tell(&request, sizeof(request) - 1, in_memory(plan, plan_bytes(plan)));
	tell(large, sizeof(large), in_memory(plan, plan_bytes(plan)));
	request.version++;
	tell(&request, sizeof(request), in_memory(plan, plan_bytes(plan)));
	request = (struct probe_request){.version = PROBE_WIRE_VERSION, .kind = 99};
	tell(&request, sizeof(request), in_memory(plan, plan_bytes(plan)));
	request.kind = PROBE_AGAIN; /* needs none: it is closed */
	request.at = clock_boot_ns() + 3600 * NS_PER_SECOND;
	request.epoch = prober.epoch;
	tell(&request, sizeof(request), in_memory(plan, plan_bytes(plan)));
	free(plan);
	assert_false(hear(&result, 200));
	assert_int_equal(stage->actors[1].opened, 0);
	assert_int_equal(descriptors(), before);
	tell_again(0, prober.epoch, 0);
	assert_true((int)next().value == 2);
}

/* ---- kinds */

static void what_cannot_be_opened_says_so_each_time(void **state)
{
	struct probe_result result;

	(void)state;
	stage->actors[0].does = ACT_NO_OPEN;
	tell_plan_of(0, 1, 20, 20000);
	for (unsigned i = 0; i < 3; i++) {
		result = next();
		assert_int_equal(result.error, PROBE_INTERNAL);
		assert_string_equal(result.detail, "no memory");
	}
	assert_int_equal(stage->actors[0].asked + stage->actors[0].closed, 0);
}

static void a_kind_without_its_module_is_named(void **state)
{
	static const enum dependency_kind kinds[] = {DEPENDENCY_TCP, DEPENDENCY_DNS};
	static const char *const whys[] = {"kind tcp cannot be loaded: it is another kind", "kind dns cannot be loaded: "};
	struct probe_plan *plan = plan_of(0, 3, 30000, 20000);
	char directory[] = "/tmp/probe-kinds-XXXXXX", path[64];
	struct probe_result result;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/probe_tcp.so", directory); /* the one that says it is exec */
	assert_int_equal(symlink(LS_SUPPORT "/kinds/probe_exec.so", path), 0);
	assert_int_equal(stage_up_with(directory), 0);
	plan->set.list[0].kind = kinds[0];
	plan->set.list[1].kind = kinds[1];
	tell_plan(plan);
	free(plan);
	for (unsigned i = 0; i < 3; i++) {
		result = next();
		assert_int_equal(result.error, PROBE_INTERNAL);
		if (result.dependency < 2)
			assert_memory_equal(result.detail, whys[result.dependency], strlen(whys[result.dependency]));
	}
	unlink(path);
	rmdir(directory);
	(void)stage_down(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_up, stage_down)
	const struct CMUnitTest tests[] = {
		TEST(what_did_not_change_goes_on),
		TEST(a_new_agent_is_told_the_last_results_again),
		TEST(what_is_no_longer_asked_is_ended_and_not_told),
		TEST(nothing_to_ask_is_a_plan_too),
		TEST(too_many_that_will_not_leave_end_the_prober),
		TEST(a_plan_that_is_none_changes_nothing),
		TEST(words_that_are_none_are_dropped_with_what_came_with_them),
		TEST(what_cannot_be_opened_says_so_each_time),
		cmocka_unit_test(a_kind_without_its_module_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
