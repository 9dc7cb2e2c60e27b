/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/naming.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/reader.h"
#include "watch/symbols.h"

/* What is told once waits so long for names, and so many ticks, for a machine may stand still; a child has that
 * long, on a busy machine with a slow disk. */
enum { WAIT_TICKS = 5 };

#define WAIT_NS NS_PER_SECOND
#define CHILD_NS (10 * NS_PER_SECOND)

/* Proofs may change places as the worst one: no storm of children comes of that. */
#define ASK_EVERY_NS NS_PER_SECOND

/* One message for each object that has a name: at most PIPE_BUF, so they come whole. */
struct answer {
	uint32_t index;
	char text[SNAPSHOT_SYMBOL];
};

static void answer_all(const struct naming_object *objects, unsigned count, int fd)
{
	struct symbols symbols;

	symbols_start(&symbols);
	for (unsigned i = 0; i < count; i++) {
		struct answer answer = {.index = i};
		char text[SYMBOLS_NAME + SYMBOLS_PATH];

		if (symbols_name(&symbols, &objects[i].target, objects[i].address, text, sizeof(text)) < 0)
			continue;
		(void)snprintf(answer.text, sizeof(answer.text), "%s", text);
		if (write(fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
			break; /* nobody listens any more */
	}
	symbols_end(&symbols);
}

/* Readers are the agent's: their sockets carry one dialogue. This one starts its own where it needs any. */
static void be_child(const struct naming_object *objects, unsigned count, int fd, pid_t parent)
{
	reader_close_others(fd);
	reach_forget();
	(void)prctl(PR_SET_NAME, "lifesign-namer");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
		answer_all(objects, count, fd);
	_exit(0);
}

static void start_child(struct naming *naming, const struct naming_object *objects)
{
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	naming->child = fork();
	if (naming->child == 0)
		be_child(objects, naming->count, fds[1], parent);
	close(fds[1]);
	naming->open = naming->child > 0;
	if (naming->open) {
		naming->fd = fds[0];
	} else {
		naming->child = 0;
		close(fds[0]);
	}
}

static void hang_up(struct naming *naming)
{
	if (naming->open)
		close(naming->fd);
	naming->open = false;
}

/* Never waits: one that sleeps in a disk's wait ends when the disk lets it. */
static void end_child(struct naming *naming)
{
	hang_up(naming);
	if (!naming->child)
		return;
	(void)kill(naming->child, SIGKILL); /* our own child, not yet waited for: the pid is ours */
	if (waitpid(naming->child, NULL, WNOHANG) != 0)
		naming->child = 0;
}

static bool is_known(const struct naming *naming, const struct naming_object *objects, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (naming->count != count || naming->names[i].pid != objects[i].target.pid ||
			naming->names[i].address != objects[i].address)
			return false;
	}
	return true;
}

static bool take_question(struct naming *naming, const struct naming_object *objects, unsigned count)
{
	struct naming_name *names = calloc(count, sizeof(*names));

	if (!names)
		return false;
	for (unsigned i = 0; i < count; i++) {
		names[i].pid = objects[i].target.pid;
		names[i].address = objects[i].address;
	}
	free(naming->names);
	naming->names = names;
	naming->count = count;
	return true;
}

void naming_ask(struct naming *naming, const struct naming_object *objects, unsigned count, int64_t now)
{
	if (count == 0 || is_known(naming, objects, count) ||
		(naming->asked && now - naming->asked < ASK_EVERY_NS))
		return;
	end_child(naming);
	if (!take_question(naming, objects, count))
		return;
	naming->asked = now;
	naming->ticks = 0;
	if (!naming->child)
		start_child(naming, objects);
}

static bool take_answer(struct naming *naming, const struct answer *answer)
{
	if (answer->index >= naming->count)
		return false;
	memcpy(naming->names[answer->index].text, answer->text, sizeof(answer->text));
	naming->names[answer->index].text[SNAPSHOT_SYMBOL - 1] = '\0';
	return true;
}

bool naming_follow(struct naming *naming, int64_t now)
{
	struct answer answer;
	bool learned = false;
	ssize_t got = 0;

	naming->ticks++;
	while (naming->open && (got = read(naming->fd, &answer, sizeof(answer))) == (ssize_t)sizeof(answer))
		learned |= take_answer(naming, &answer);
	if (naming->open && got == 0)
		hang_up(naming);
	if (naming->child && (!naming->open || now - naming->asked > CHILD_NS))
		end_child(naming);
	return learned;
}

bool naming_is_settled(const struct naming *naming, int64_t now)
{
	return !naming->open || (now - naming->asked > WAIT_NS && naming->ticks > WAIT_TICKS);
}

const char *naming_of(const struct naming *naming, pid_t pid, uint64_t address)
{
	for (unsigned i = 0; i < naming->count; i++) {
		if (naming->names[i].pid == pid && naming->names[i].address == address)
			return naming->names[i].text;
	}
	return "";
}

void naming_end(struct naming *naming)
{
	end_child(naming);
	free(naming->names);
	*naming = (struct naming){0};
}
