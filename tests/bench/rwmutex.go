// SPDX-License-Identifier: Apache-2.0

// The usual health endpoint in Go, to be measured against: checks run in the background and swap a pointer
// below a sync.RWMutex; the handler reads it.   rwmutex ADDRESS
package main

import (
	"net/http"
	"os"
	"sync"
	"time"
)

type state struct {
	ok   bool
	body []byte
}

type health struct {
	mutex sync.RWMutex
	now   *state
}

func (h *health) check() {
	for {
		next := &state{ok: true, body: []byte("ok")}
		h.mutex.Lock()
		h.now = next
		h.mutex.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
}

func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.mutex.RLock()
	now := h.now
	h.mutex.RUnlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !now.ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(now.body)
}

func main() {
	h := &health{now: &state{ok: true, body: []byte("ok")}}
	go h.check()
	http.Handle("/livez", h)
	if http.ListenAndServe(os.Args[1], nil) != nil {
		os.Exit(1)
	}
}
