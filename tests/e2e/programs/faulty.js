// SPDX-License-Identifier: Apache-2.0
// faulty.js PORT [FIFO]: HTTP on node's loop; each path but / is a fault that holds it.
const childProcess = require("child_process"), dns = require("dns"), fs = require("fs"), http = require("http");

const file = process.argv[3];

function forever() {
	process.nextTick(forever);
}

// Calls without end, none of which lets the loop come back to its wait.
function busily() {
	fs.statSync(file);
	process.nextTick(busily);
}

// All turns of the loop are short, and there is always one more.
function storm() {
	setImmediate(storm);
}

const faults = {
	"/spin": () => {
		for (;;);
	},
	"/regex": () => /^(a+)+$/.test("a".repeat(60) + "b"),
	"/read": () => fs.readFileSync(file),
	"/exec": () => childProcess.execSync("sleep 100000"),
	"/tick": forever,
	"/busy": busily,
	"/storm": storm,
	"/names": () => {
		for (let i = 0; i < 8; i++)
			dns.lookup(`host${i}.example`, () => {});
	},
	// libuv's pool waits for a file that never comes; the loop is free
	"/pool": () => {
		for (let i = 0; i < 8; i++)
			fs.readFile(file, () => {});
	},
};

http.createServer((request, response) => {
	response.end("hello\n");
	if (faults[request.url])
		setImmediate(faults[request.url]);
}).listen(Number(process.argv[2]), "127.0.0.1");
