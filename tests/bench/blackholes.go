// SPDX-License-Identifier: Apache-2.0

// The two usual ways to write a readiness endpoint in Go, to be measured against on the same black holes:
//
//	blackholes background ADDRESS TARGET…   all checks each period, each with a context of 3 s; a pointer below a
//	                                        sync.RWMutex is swapped when all have ended
//	blackholes handler ADDRESS TARGET…      each request runs all checks, with a context of 3 s
//
// A check connects, sends PING and reads +PONG. /goroutines says how many there are.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

const budget = 3 * time.Second

func ping(ctx context.Context, target string) error {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return err
	}
	defer connection.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = connection.SetDeadline(deadline)
	}
	if _, err = connection.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "+PONG") {
		err = fmt.Errorf("found %q", line)
	}
	return err
}

func checkAll(targets []string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	results := make(chan error, len(targets))
	for _, target := range targets {
		go func(target string) { results <- ping(ctx, target) }(target)
	}
	ok := true
	for range targets {
		ok = <-results == nil && ok
	}
	return ok
}

type health struct {
	mutex sync.RWMutex
	ok    bool
}

func (h *health) run(targets []string) {
	for {
		ok := checkAll(targets)
		h.mutex.Lock()
		h.ok = ok
		h.mutex.Unlock()
		time.Sleep(time.Second)
	}
}

func answer(w http.ResponseWriter, ok bool) {
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprint(w, "done")
}

func main() {
	targets := os.Args[3:]
	h := &health{}
	if os.Args[1] == "background" {
		go h.run(targets)
		http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
			h.mutex.RLock()
			ok := h.ok
			h.mutex.RUnlock()
			answer(w, ok)
		})
	} else {
		http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, checkAll(targets)) })
	}
	http.HandleFunc("/goroutines", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, runtime.NumGoroutine()) })
	if http.ListenAndServe(os.Args[2], nil) != nil {
		os.Exit(1)
	}
}
