# SPDX-License-Identifier: Apache-2.0
LOCK = Mutex.new
run lambda { |env|
  LOCK.synchronize { Thread.new { LOCK.synchronize {} }.join } if env["PATH_INFO"] == "/join"
  sleep 12 if env["PATH_INFO"] == "/sleep"
  [200, { "Content-Type" => "text/plain" }, ["hello\n"]]
}
