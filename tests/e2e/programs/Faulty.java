// SPDX-License-Identifier: Apache-2.0
// Faulty SCENE PORT: the main thread accepts, a pool answers lines; there is room for few connections between them. The
// line "fault" sets off what SCENE names.
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;

public final class Faulty {
	private static final Object JOURNAL = new Object(), ACCOUNTS = new Object();
	private static final List<byte[]> KEPT = new ArrayList<>();
	private static final CountDownLatch BOTH = new CountDownLatch(2);
	private static CountDownLatch all;
	private static boolean crossed;
	private static String scene;
	private static ExecutorService pool;

	private static void both(Object first, Object second) throws Exception {
		synchronized (first) {
			BOTH.countDown();
			BOTH.await();
			System.out.println("held");
			synchronized (second) {
				System.out.println("never");
			}
		}
	}

	private static synchronized boolean second() {
		crossed = !crossed;
		return !crossed;
	}

	private static void fault() throws Exception {
		switch (scene) {
		case "monitors":
			if (second())
				both(ACCOUNTS, JOURNAL);
			else
				both(JOURNAL, ACCOUNTS);
			break;
		case "tasks": // a task that waits for a task of its own pool, when all others do so too
			all.countDown();
			all.await();
			pool.submit(() -> 1).get();
			break;
		default: // "garbage": little is left, and nothing of it can be freed
			try {
				while (true)
					KEPT.add(new byte[256]);
			} catch (OutOfMemoryError full) {
				KEPT.subList(KEPT.size() - 300, KEPT.size()).clear();
			}
			for (int i = 0;; i++)
				KEPT.set(i % 1000, new byte[256]);
		}
	}

	private static void serve(Socket link) {
		try (link; BufferedReader lines = new BufferedReader(new InputStreamReader(link.getInputStream()))) {
			for (String line = lines.readLine(); line != null; line = lines.readLine()) {
				if (line.equals("fault"))
					fault();
				if (scene.equals("monitors")) {
					synchronized (JOURNAL) {
						KEPT.clear();
					}
				}
				link.getOutputStream().write((line.toUpperCase() + "\n").getBytes());
			}
		} catch (Exception gone) {
			System.out.println(gone);
		}
	}

	public static void main(String[] words) throws IOException, InterruptedException {
		int threads = Integer.parseInt(words[2]);
		Semaphore room = new Semaphore(threads + 2);

		scene = words[0];
		all = new CountDownLatch(threads);
		pool = Executors.newFixedThreadPool(threads);
		try (ServerSocket listener = new ServerSocket(Integer.parseInt(words[1]), 64, InetAddress.getByName("127.0.0.1"))) {
			while (true) {
				Socket link = listener.accept();
				room.acquire();
				pool.execute(() -> {
					serve(link);
					room.release();
				});
			}
		}
	}
}
