// SPDX-License-Identifier: Apache-2.0
// alive.js SCENE PORT [WORD]: node programs that look stuck and are not, each serving HTTP on PORT.
const childProcess = require("child_process"), cluster = require("cluster"), dns = require("dns"), http = require("http");
const workers = require("worker_threads");

const port = Number(process.argv[3]);
const serve = (extra = {}) => http.createServer((request, response) => {
	if (extra[request.url])
		extra[request.url]();
	response.end("hello\n");
}).listen(port, "127.0.0.1");

const scenes = {
	// The primary only waits; two children share its listener.
	cluster() {
		if (!cluster.isPrimary)
			return serve();
		cluster.fork();
		cluster.fork();
	},
	// One thread computes for ever, one waits for ever; the loop is free.
	threads() {
		new workers.Worker("while (true) Math.sqrt(Math.random())", { eval: true });
		new workers.Worker("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)", { eval: true });
		serve();
	},
	// The loop waits for a program.
	exec() {
		serve({
			"/exec": () => {
				try {
					childProcess.execSync("sleep 100000");
				} catch (ended) {
					console.log(String(ended.signal));
				}
			},
		});
	},
	// All threads of libuv's pool look up a name; the loop is free.
	names() {
		serve({ "/names": () => dns.lookup("database.example", () => {}) });
	},
};
scenes[process.argv[2]]();
