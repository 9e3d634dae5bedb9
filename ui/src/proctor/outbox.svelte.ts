/** One message on its way, as its writer sees it. The view's `sending` is about the newest message of this proctor, so it
 * counts only in a view that came after our command. */
import type { ProctorView } from '../common/bindings/ProctorView';
import type { SendState } from '../common/bindings/SendState';

export class Outbox {
  state = $state<SendState | null>(null);
  #accepted = $state(false);
  #before: ProctorView | null = null;

  get waiting(): boolean {
    return this.state === 'sending';
  }

  async send(view: ProctorView, command: () => Promise<void>): Promise<void> {
    this.#before = view;
    this.#accepted = false;
    this.state = 'sending';
    try {
      await command();
      this.#accepted = true;
    } catch {
      this.state = 'failed';
    }
  }

  /** Takes over the view's state; returns what it is now. */
  follow(view: ProctorView): SendState | null {
    if (this.state === 'sending' && this.#accepted && view !== this.#before && view.sending !== null) this.state = view.sending;
    return this.state;
  }
}
