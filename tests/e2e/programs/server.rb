# SPDX-License-Identifier: Apache-2.0
# The main thread accepts, four threads take connections from a queue and answer lines.
require "socket"

waiting = Queue.new
trap("TERM") { exit 0 }
4.times do
  Thread.new do
    loop do
      link = waiting.pop
      while (line = link.gets)
        link.write(line.upcase)
      end
      link.close
    end
  end
end
listener = TCPServer.new("127.0.0.1", ARGV[0].to_i)
loop { waiting << listener.accept }
