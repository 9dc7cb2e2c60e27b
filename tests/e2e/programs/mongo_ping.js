// SPDX-License-Identifier: Apache-2.0
// The official driver: connects to the URL, pings twice, says what it sees. node mongo_ping.js URL
const { MongoClient } = require("mongodb");

async function main() {
	const client = new MongoClient(process.argv[2], { serverSelectionTimeoutMS: 5000 });
	await client.connect();
	for (let i = 0; i < 2; i++) console.log(JSON.stringify(await client.db("admin").command({ ping: 1 })));
	const hello = await client.db("admin").command({ hello: 1 });
	console.log(hello.isWritablePrimary ? "primary" : hello.secondary ? "secondary" : "neither", hello.setName || "");
	await client.close();
}
main().catch((error) => { console.log(error.name, error.message); process.exit(1); });
