// SPDX-License-Identifier: Apache-2.0
// The main thread accepts, a fixed pool of four answers lines, a monitor and a lock are held in between.
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.ReentrantLock;

public final class Server {
	private static final ReentrantLock LOCK = new ReentrantLock();
	private static long count;

	private static synchronized void note() {
		count++;
	}

	private static void serve(Socket link) {
		try (link; BufferedReader lines = new BufferedReader(new InputStreamReader(link.getInputStream()))) {
			for (String line = lines.readLine(); line != null; line = lines.readLine()) {
				note();
				LOCK.lock();
				try {
					link.getOutputStream().write((line.toUpperCase() + "\n").getBytes());
				} finally {
					LOCK.unlock();
				}
			}
		} catch (IOException gone) {
			note();
		}
	}

	public static void main(String[] words) throws IOException {
		ExecutorService pool = Executors.newFixedThreadPool(4);

		try (ServerSocket listener = new ServerSocket(Integer.parseInt(words[0]), 64, InetAddress.getByName("127.0.0.1"))) {
			while (true) {
				Socket link = listener.accept();
				pool.execute(() -> serve(link));
			}
		}
	}
}
