# SPDX-License-Identifier: Apache-2.0
run lambda { |env|
  missing = env["PATH_INFO"] == "/missing"
  [missing ? 404 : 200, { "Content-Type" => "text/plain" }, [missing ? "missing\n" : "hello\n"]]
}
