/** The rhythm of the page: one round after the other while the page is visible and not paused. */

/** Rounds of asynchronous work, a pause between two. */
export class LiveLoop {
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #isRunning = false;
  #isWanted = false;
  #isPaused = false;

  /**
   * @param {number} pauseMs the pause between two rounds
   * @param {() => Promise<void>} round
   */
  constructor(pauseMs, round) {
    this.pauseMs = pauseMs;
    this.round = round;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.#isPaused) {
        void this.now();
      }
    });
  }

  /** Begins a round at once, or right after the one in progress. A paused loop makes this one round. */
  async now() {
    if (this.#isRunning) {
      this.#isWanted = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#isRunning = true;
    do {
      this.#isWanted = false;
      try {
        await this.round();
      } catch (error) {
        // A defect in one round does not end the others.
        console.error(error);
      }
    } while (this.#isWanted);
    this.#isRunning = false;
    this.#schedule();
  }

  get isPaused() {
    return this.#isPaused;
  }

  /** @param {boolean} paused */
  setPaused(paused) {
    this.#isPaused = paused;
    clearTimeout(this.#timer);
    if (!paused) {
      void this.now();
    }
  }

  #schedule() {
    clearTimeout(this.#timer);
    if (!this.#isPaused && !document.hidden) {
      this.#timer = setTimeout(() => void this.now(), this.pauseMs);
    }
  }
}
