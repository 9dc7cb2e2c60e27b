/* SPDX-License-Identifier: Apache-2.0 */
/* The wrappers of every row of the call table that has a signature. The headers below declare what is
 * defined here: a row that differs from libc's declaration does not compile. */
#include <aio.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "wrap.h"

#define WRAP_CALL(number, symbol, class, kind, ret, params, args, object, extra, timed)                        \
	WRAPPER(symbol, number, class, ret, params, args, object, extra, timed)
/* clang-format off */
LS_CALLS(WRAP_CALL)
/* clang-format on */

/* No header declares most of these. */
#define DECLARE_TWIN(symbol, of, ret, params, args, object, extra, timed) ret symbol params;
/* clang-format off */
LS_TWINS(DECLARE_TWIN)
/* clang-format on */

#define WRAP_TWIN(symbol, of, ret, params, args, object, extra, timed)                                         \
	WRAPPER(symbol, CALL_##of, CLASS_NONE, ret, params, args, object, extra, timed)
/* clang-format off */
LS_TWINS(WRAP_TWIN)
/* clang-format on */
