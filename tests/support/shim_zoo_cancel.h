/* SPDX-License-Identifier: Apache-2.0 */
/* shim_zoo --cancel; included behind the table of animals. */
#ifndef SHIM_ZOO_CANCEL_H
#define SHIM_ZOO_CANCEL_H

static int count_cleaned(void)
{
	int count = 0;

	for (size_t i = 0; i < sizeof(animals) / sizeof(animals[0]); i++)
		count += animals[i].cleaned;
	return count;
}

/* Cancels every animal once it waits, and says of each whether it ran its cleanup or stays where it is. */
static void cancel_all(void)
{
	const struct timespec moment = {0, 400000000};
	int before = -1, now = 0;

	nanosleep(&moment, NULL);
	for (size_t i = 0; i < sizeof(animals) / sizeof(animals[0]); i++)
		pthread_cancel(animals[i].thread);
	while (now != before) {
		before = now;
		nanosleep(&moment, NULL);
		now = count_cleaned();
	}
	for (size_t i = 0; i < sizeof(animals) / sizeof(animals[0]); i++)
		printf("%s %s\n", animals[i].call, animals[i].cleaned ? "cleaned" : "stays");
	fflush(stdout);
}

#endif
