// SPDX-License-Identifier: Apache-2.0
// Alive SCENE PORT: a JVM that looks stuck and is not; it answers lines on PORT.
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;

public final class Alive {
	private static final class Node {
		private final Node next;
		private final long[] rest = new long[4];

		Node(Node next) {
			this.next = next;
		}
	}

	private static final class Loader extends ClassLoader {
		Class<?> again(byte[] bytes) {
			return defineClass(null, bytes, 0, bytes.length);
		}
	}

	private static Node kept;

	/** A list as long as the heap allows is what a collector marks slowest. */
	private static void collect() {
		for (int i = 0; i < 12_000_000; i++)
			kept = new Node(kept);
		while (true)
			System.gc();
	}

	private static void load() throws IOException {
		byte[] bytes;

		try (InputStream stream = Alive.class.getResourceAsStream("Alive$Node.class")) {
			bytes = stream.readAllBytes();
		}
		while (true)
			new Loader().again(bytes);
	}

	private static void park() {
		LinkedBlockingQueue<Integer> nothing = new LinkedBlockingQueue<>();

		for (int i = 0; i < 1000; i++)
			new Thread(null, () -> {
				try {
					nothing.take();
				} catch (InterruptedException over) {
					Thread.currentThread().interrupt();
				}
			}, "parked", 256 << 10).start();
	}

	private static void answer(Socket link) {
		try (link; BufferedReader lines = new BufferedReader(new InputStreamReader(link.getInputStream()))) {
			for (String line = lines.readLine(); line != null; line = lines.readLine())
				link.getOutputStream().write((line.toUpperCase() + "\n").getBytes());
		} catch (IOException gone) {
			return;
		}
	}

	private static void begin(String scene) throws IOException {
		switch (scene) {
		case "collect": collect(); break;
		case "load": load(); break;
		default: park();
		}
	}

	public static void main(String[] words) throws IOException {
		ExecutorService pool = Executors.newFixedThreadPool(4);

		new Thread(() -> {
			try {
				begin(words[0]);
			} catch (IOException error) {
				throw new IllegalStateException(error);
			}
		}).start();
		try (ServerSocket listener = new ServerSocket(Integer.parseInt(words[1]), 64, InetAddress.getByName("127.0.0.1"))) {
			while (true) {
				Socket link = listener.accept();
				pool.execute(() -> answer(link));
			}
		}
	}
}
