# SPDX-License-Identifier: Apache-2.0
# faulty.rb SCENE PORT [FIFO]: the main thread accepts, four others answer lines; there is room for few connections
# between them. The line "fault" sets off what SCENE names.
require "fiddle"
require "socket"

$stdout.sync = true
LOCK = Mutex.new
FAULTS = {
  # A thread joins another one, which wants the lock that the first holds; all others want it too.
  "join" => lambda {
    LOCK.synchronize do
      puts "held"
      Thread.new { LOCK.synchronize {} }.join
    end
  },
  # Code of C waits and keeps the lock of the whole program.
  "native" => lambda {
    int = Fiddle::TYPE_INT
    open = Fiddle::Function.new(Fiddle::Handle::DEFAULT["open"], [Fiddle::TYPE_VOIDP, int], int, need_gvl: true)
    open.call(ARGV[2], 0)
  },
  "spin" => -> { loop {} },
}.freeze

Thread.new { loop { sleep 1 } } # else ruby itself finds that all threads wait, and ends
waiting = SizedQueue.new(2)
fault = FAULTS.fetch(ARGV[0])
4.times do
  Thread.new do
    loop do
      link = waiting.pop
      while (line = link.gets)
        fault.call if line == "fault\n"
        LOCK.synchronize {}
        link.write(line.upcase)
      end
      link.close
    end
  end
end
listener = TCPServer.new("127.0.0.1", ARGV[1].to_i)
loop { waiting << listener.accept }
