/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile service can write: every word of its segment, before the agent opens it and between ticks,
 * and, for an agent that starts anew, what is left of a notebook. Input: steps of 11 bytes (step, index,
 * field, value). Whatever is written, the agent lives, and a service whose main process lives is not dead.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervise/segment.h"
#include "watch/census.h"
#include "watch/dependencies.h"
#include "watch/service.h"

enum { SLOTS = 64, STEP_BYTES = 11, STEPS = 400, REFRESHES = 2, RESTARTS = 3 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct service service;
static struct dependencies nobody; /* no dependencies are configured */
static struct service_common common;
static struct segment segment;
static struct segment_header whole; /* the header as the supervisor wrote it */
static struct child_setup setup;
static struct tree tree; /* kept over inputs: /proc is slow */
static unsigned char *notebook;
static pid_t child; /* the service: it only waits */
static int64_t now;
static unsigned refreshes, restarts;
static bool opened;

struct step {
	uint8_t index, field;
	uint64_t value;
	const uint8_t *rest;
	size_t left;
};

static void check(bool good)
{
	if (!good)
		abort();
}

static void set_word(void *table, size_t words, size_t at, uint64_t value)
{
	__atomic_store_n((uint64_t *)table + at % words, value, __ATOMIC_RELAXED);
}

static void check_view(const struct view *view)
{
	size_t slots = (size_t)view->slot_count * view->slot_bytes, processes = (size_t)view->process_count * view->process_bytes;

	check(view->slot_count <= SLOTS && !(view->slot_count & (view->slot_count - 1)));
	check(view->slot_offset + slots <= segment.bytes && view->process_offset + processes <= segment.bytes);
	check(view->slot_offset + slots <= view->process_offset || view->process_offset + processes <= view->slot_offset);
}

/* The tree stays: it was made of /proc, not of what is written. */
static void close_service(void)
{
	tree = service.tree;
	service.tree = (struct tree){0};
	service_stop(&service);
	snapshot_settle();
	opened = false;
}

/* An agent that starts: one that refuses its memory ends, and the supervisor starts another. */
static bool open_service(void)
{
	const struct service_parts parts = {"fuzzed", segment.fd, setup.notebook_fd};
	int ret = service_start(&service, &common, &parts);

	snapshot_settle();
	if (ret < 0)
		return false;
	service.tree = tree;
	for (unsigned i = 0; i < tree.count; i++)
		tree.rows[i].entered = false;
	service.news = (struct supervisor_news){.main_pid = child, .main_started = now};
	service.tree_read = now;
	check_view(&service.slots.view);
	opened = true;
	return true;
}

static void tick(const struct step *step)
{
	struct suspects_budget left = suspects_budget();

	(void)step;
	now += 100 * NS_PER_MS;
	service.listeners_read = now;
	service_sweep(&service, now);
	service_look(&service, &left, now);
	service_tell(&service, now);
	snapshot_settle();
	check(service.verdicts.verdict != VERDICT_DEAD);
	check(service.slots.order_count <= service.slots.view.slot_count);
}

static void tick_with_processes(const struct step *step)
{
	if (refreshes++ < REFRESHES && census_take(now) == 0) {
		census_set(child, 0);
		census_spread(1);
		service_read_tree(&service, 0, now);
	}
	tick(step);
}

static void write_slot(const struct step *step)
{
	set_word(&segment.slots[step->index % SLOTS], SEGMENT_SLOT_BYTES / 8, step->field, step->value);
}

static void write_process(const struct step *step)
{
	set_word(&segment.processes[step->index % segment.process_count], SEGMENT_PROCESS_BYTES / 8, step->field, step->value);
}

static void write_header(const struct step *step)
{
	set_word(segment.header, 24, step->field, step->value);
}

/* As a shim would: what follows is believed more. */
static void claim_slot(const struct step *step)
{
	struct segment_slot *slot = &segment.slots[step->index % SLOTS];

	slot->tid = (uint32_t)child;
	slot->process = step->field;
	slot->stamp = (uint64_t)now;
	slot->call = step->value & (CALL_OP_MASK | CALL_TIMED | CALL_INSIDE);
	slot->object = step->value >> 20;
	slot->entries++;
	slot->claim = (step->value | 1) << 32 | (uint32_t)child;
}

static void claim_process(const struct step *step)
{
	struct segment_process *process = &segment.processes[step->index % segment.process_count];

	process->stamp = (uint64_t)now;
	process->libc = LIBC_GLIBC;
	process->witness = step->value;
	process->claim = UINT64_C(1) << 32 | (uint32_t)child;
}

static void write_notebook(const struct step *step)
{
	size_t page = step->index % (notebook_bytes(SLOTS) / 4096);

	set_word(notebook + page * 4096, 512, (size_t)(step->value >> 48), step->value);
	set_word(notebook + page * 4096, 512, step->field * 2u, step->value);
}

/* A forged one that checks. */
static void sign_track(const struct step *step)
{
	if (!opened)
		return;
	set_word(&service.notebook.tracks[step->index % SLOTS], sizeof(struct notebook_track) / 8, step->field, step->value);
	service.notebook.tracks[step->index % SLOTS].claim = segment.slots[step->index % SLOTS].claim;
	service.notebook.tracks[step->index % SLOTS].stamp = segment.slots[step->index % SLOTS].stamp;
	notebook_track_close(&service.notebook.tracks[step->index % SLOTS]);
}

static void fill(const struct step *step)
{
	memset(segment.processes, step->index, segment.bytes - SEGMENT_HEADER_BYTES);
}

static void pour(const struct step *step)
{
	unsigned char *to = (unsigned char *)segment.header + (step->index % 2 ? 0 : SEGMENT_HEADER_BYTES);

	for (size_t i = 0; step->left && to + i < (unsigned char *)segment.header + segment.bytes; i++)
		to[i] = step->rest[i % step->left];
}

static void jump(const struct step *step)
{
	now += (int64_t)(step->value % (uint64_t)(100 * NS_PER_SECOND)) - 10 * NS_PER_SECOND;
}

static void restart(const struct step *step)
{
	(void)step;
	if (restarts++ < RESTARTS)
		close_service();
}

static void (*const steps[])(const struct step *step) = {
	tick, tick_with_processes, write_slot, write_process, write_header, claim_slot, claim_process, write_notebook,
	sign_track, fill, pour, jump, restart,
};

static void make_whole(void)
{
	memset(segment.header, 0, segment.bytes);
	*segment.header = whole;
}

static void make_notebook(void)
{
	struct notebook_head *head = (void *)notebook;

	memset(notebook, 0, notebook_bytes(SLOTS));
	*head = (struct notebook_head){.magic = NOTEBOOK_MAGIC, .version = NOTEBOOK_VERSION, .slots = SLOTS};
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	child = fork();
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	check(child > 0 && segment_make(&segment, SLOTS) == 0);
	check(log_start(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, "fuzz", "/dev/null") == 0);
	whole = *segment.header;
	setup = (struct child_setup){.segment_fd = segment.fd, .notebook_fd = notebook_create(SLOTS), .supervisor = getpid()};
	setup.settings.liveness.sample_seconds = 0.1;
	common = (struct service_common){.setup = &setup, .settings = setup.settings, .dependencies = &nobody};
	notebook = mmap(NULL, notebook_bytes(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED, setup.notebook_fd, 0);
	check(setup.notebook_fd >= 0 && notebook != MAP_FAILED);
	return 0;
}

static void take(const uint8_t *data, size_t size)
{
	struct step step = {.index = data[1], .field = data[2], .rest = data + STEP_BYTES, .left = size - STEP_BYTES};

	memcpy(&step.value, data + 3, sizeof(step.value));
	if (!opened && !open_service()) { /* the supervisor mends what it made */
		*segment.header = whole;
		check(open_service());
	}
	steps[data[0] % (sizeof(steps) / sizeof(steps[0]))](&step);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	now = clock_boot_ns();
	refreshes = restarts = 0;
	make_whole();
	make_notebook();
	for (unsigned i = 0; i < STEPS && size >= STEP_BYTES; i++, data += STEP_BYTES, size -= STEP_BYTES)
		take(data, size);
	if (opened) {
		tick(NULL);
		close_service();
	}
	return 0;
}
