// SPDX-License-Identifier: Apache-2.0
// HTTP on node's loop; /file goes through libuv's thread pool, /hash through it for long.
const crypto = require("crypto"), fs = require("fs"), http = require("http");

http.createServer((request, response) => {
	const say = (status, text) => {
		response.writeHead(status, { "Content-Type": "text/plain" });
		response.end(text + "\n");
	};
	if (request.url === "/file")
		fs.readFile(__filename, (error, data) => say(error ? 500 : 200, String(data && data.length)));
	else if (request.url === "/hash")
		crypto.pbkdf2("secret", "salt", 20000, 32, "sha512", (error, key) => say(error ? 500 : 200, key.toString("hex")));
	else if (request.url === "/")
		say(200, "hello");
	else
		say(404, "missing");
}).listen(Number(process.argv[2]), "127.0.0.1");
