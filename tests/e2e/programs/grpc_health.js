// SPDX-License-Identifier: Apache-2.0
// grpc_health.js PORT MODE [CERTIFICATE KEY]: a gRPC server on 127.0.0.1. MODE: health (grpc-health-check, services "" and
// orders; a line "NAME STATUS" on stdin changes one), none (no health service), silent, or a number: that grpc-status.
const fs = require('fs');
const readline = require('readline');
const grpc = require('@grpc/grpc-js');
const { HealthImplementation, service } = require('grpc-health-check');

const [port, mode, certificate, key] = process.argv.slice(2);
const server = new grpc.Server();

if (mode === 'health') {
	const health = new HealthImplementation({ '': 'SERVING', orders: 'NOT_SERVING', odd: 'UNKNOWN' });

	health.addToServer(server);
	readline.createInterface({ input: process.stdin }).on('line', (line) => {
		const [name, status] = line.split(' ');

		health.setStatus(name, status);
		console.log(line);
	});
} else if (mode !== 'none') {
	const check = mode === 'silent' ? () => {} : (call, answer) => answer({ code: Number(mode), details: 'as told' });

	server.addService(service, { check, watch: () => {} });
}

const credentials = certificate
	? grpc.ServerCredentials.createSsl(null, [{ cert_chain: fs.readFileSync(certificate), private_key: fs.readFileSync(key) }])
	: grpc.ServerCredentials.createInsecure();

server.bindAsync(`127.0.0.1:${port}`, credentials, (error) => {
	if (error)
		throw error;
});
