# SPDX-License-Identifier: Apache-2.0
"""apache2 with two of its models, haproxy before a live backend, php-fpm behind a real web server."""
import glob
import http.server
import signal
import threading

import services
from lifesign import Plain, free_port
from services_more import LOCAL, Served, by_signal, user_of, web_answers, web_load

MODULES = "/usr/lib/apache2/modules"
SIZES = {"event": "ThreadsPerChild 4\nMinSpareThreads 4\nMaxSpareThreads 8\nMaxRequestWorkers 8",
         "prefork": "MinSpareServers 2\nMaxSpareServers 4\nMaxRequestWorkers 4"}


def apache(place, model="event"):
    port = free_port()
    top = place.directory(f"apache{port}", owner=user_of("www-data"))
    www = place.directory(f"apache{port}/www")
    place.file(f"apache{port}/www/index.html", "hello\n")
    user = "User www-data\nGroup www-data" if user_of("www-data") else ""
    load = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in ("mpm_" + model, "authz_core", "dir", "mime"))
    config = place.file(f"apache{port}/conf", f"""{load}
{user}
{SIZES[model]}
ServerLimit 4
StartServers 2
ServerRoot {top}
ServerName localhost
Listen {LOCAL}:{port}
PidFile {top}/pid
ErrorLog {top}/error.log
DefaultRuntimeDir {top}
TypesConfig /dev/null
DocumentRoot {www}
DirectoryIndex index.html
<Directory {www}>
Require all granted
</Directory>
""")
    rest = {"event": ["main apache2 main idle select 1", "worker apache2 main io read 2", "worker apache2 loop idle epoll_wait 2",
                      "worker apache2 worker idle pthread_cond_wait 8"],
            "prefork": ["main apache2 main idle select 1", "worker apache2 listener idle accept4 2-4"]}
    return Served("apache2", ["/usr/sbin/apache2", "-f", config, "-DFOREGROUND"], port, lambda: web_answers(port), web_load(port),
                  rest[model], by_signal(signal.SIGUSR1))  # what `apachectl graceful` sends


def apache_prefork(place):
    return apache(place, "prefork")


class Backend:
    """A live one, in this process."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # noqa: N802
                body = b"from behind: " + self.path.encode() + b"\n"
                self.send_response(404 if self.path == "/missing" else 200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer((LOCAL, 0), Handler)
        self.server.handle_error = lambda *_: None  # haproxy's checks hang up
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def _haproxy_config(place, port, backend):
    return place.file(f"haproxy{port}.cfg", f"""global
	nbthread 2
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
frontend front
	bind {LOCAL}:{port}
	default_backend back
backend back
	server one {LOCAL}:{backend.port} check inter 200ms
""")


def haproxy(place):
    """Master and worker; USR2 makes the master execute itself with -sf: the same pid, a new worker."""
    port, backend = free_port(), Backend()
    config = _haproxy_config(place, port, backend)
    return Served("haproxy", ["/usr/sbin/haproxy", "-W", "-db", "-f", config], port, lambda: web_answers(port), web_load(port),
                  ["main haproxy main idle epoll_wait 1", "worker haproxy loop idle epoll_wait 2"],
                  by_signal(signal.SIGUSR2), beside=[backend])


def php_fpm(place):
    """nginx stands in front, as it does everywhere. USR2 makes the master execute itself."""
    port = free_port()
    front = services.nginx(place)
    top = place.directory(f"php{port}", owner=user_of("www-data"))
    place.file(f"php{port}/index.php", "<?php usleep(200); echo array_sum(array_fill(0, 500, 7)), ' ', $_GET['x'] ?? '-', PHP_EOL;\n")
    place.file(f"php{port}/fails.php", "<?php http_response_code(500); echo 'failed';\n")
    who = "user = www-data\ngroup = www-data" if user_of("www-data") else ""
    config = place.file(f"php{port}/conf", f"""[global]
error_log = {top}/log
pid = {top}/pid
daemonize = no
[www]
{who}
listen = {LOCAL}:{port}
pm = static
pm.max_children = 3
""")
    with open(f"{place.path}/nginx/nginx.conf", encoding="utf-8") as f:
        text = f.read()
    text = text.replace(f"root {place.path}/nginx/www;", f"""location / {{ fastcgi_pass {LOCAL}:{port};
        fastcgi_param SCRIPT_FILENAME {top}$fastcgi_script_name;
        fastcgi_param QUERY_STRING $query_string;
        fastcgi_param REQUEST_METHOD $request_method; }}""")
    front_config = place.file(f"php{port}/nginx.conf", text)
    beside = Plain([*front.command[:4], front_config, *front.command[5:]], place=place)
    program = sorted(glob.glob("/usr/sbin/php-fpm*"))[-1]
    paths = ("/index.php?x=5", "/fails.php", "/missing.php", "/index.php")
    service = Served("php-fpm", [program, "-n", "-F", "-y", config], port, lambda: web_answers(front.port, paths),
                  web_load(front.port, "/index.php"), ["main php-fpm* main idle epoll_wait 1", "worker php-fpm* listener idle accept 3"],
                  by_signal(signal.SIGUSR2), beside=[beside])
    service.front = front.port
    return service
