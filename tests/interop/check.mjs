// Suite: runs named checks one after the other, each and all bounded in time, and counts them.
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';

// The wait's failure names what was waited for; the timer keeps no finished program alive.
export async function within(seconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${seconds} s`)),
                       seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Waits until `condition()` holds.
export async function until(seconds, what, condition) {
  const end = Date.now() + seconds * 1000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await pause(10);
  }
}

export class Suite {
  #checks = [];
  #limitSeconds;
  #passed = 0;
  #failed = 0;
  #running = 'nothing';

  constructor({ limitSeconds = 100 } = {}) {
    this.#limitSeconds = limitSeconds;
  }

  check(name, run, { seconds = 30 } = {}) {
    this.#checks.push({ name, run, seconds });
  }

  // Runs everything, then `finish` (stops what was started; may fail, too). `onFailure` prints what
  // helps to understand. Ends the process.
  async run({ prepare, finish, onFailure }) {
    const watchdog = setTimeout(() => {
      this.#fail(this.#running, new Error(`the program's ${this.#limitSeconds} s are over`));
      onFailure();
      this.#conclude();
    }, this.#limitSeconds * 1000);
    if (await this.#guard('prepare', prepare, 60)) {
      for (const { name, run, seconds } of this.#checks) {
        if (await this.#guard(name, run, seconds)) ++this.#passed;
      }
      await this.#guard('finish', finish, 20);
    } else {
      await within(20, 'finish', finish()).catch(() => {}); // what failed has been told
    }
    clearTimeout(watchdog);
    if (this.#failed > 0) onFailure();
    this.#conclude();
  }

  async #guard(name, run, seconds) {
    this.#running = name;
    try {
      await within(seconds, 'the whole check', run());
      return true;
    } catch (error) {
      this.#fail(name, error);
      return false;
    }
  }

  #fail(name, error) {
    ++this.#failed;
    console.log(`FAILED ${name}\n  ${String(error?.stack ?? error).replaceAll('\n', '\n  ')}`);
  }

  #conclude() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exit(this.#failed > 0 ? 1 : 0);
  }
}
