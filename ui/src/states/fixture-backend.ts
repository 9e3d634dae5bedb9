/** Stands where Rust stands, for the fixtures page only. Every command is kept, so that a test can read what was asked for. */
import type { Backend } from '../common/backend';
import type { MediaPort } from '../common/bindings/MediaPort';

export class FixtureBackend<View, Command, Levels> implements Backend<View, Command, Levels> {
  readonly commands: Command[] = [];
  #listeners = new Set<(view: View) => void>();
  #view: View;

  constructor(
    first: View,
    readonly levels: Levels,
    readonly reduce: (view: View, command: Command) => View,
  ) {
    this.#view = first;
    Object.assign(window, { invigilCommands: this.commands });
  }
  view = () => Promise.resolve(this.#view);
  mediaPort = (): Promise<MediaPort> => Promise.reject(new Error('fixtures have no media port'));
  command = (command: Command): Promise<void> => {
    this.commands.push(command);
    const next = this.reduce(this.#view, command);
    if (next !== this.#view) {
      this.#view = next;
      for (const listener of this.#listeners) listener({ ...next });
    }
    return Promise.resolve();
  };
  onView = (listener: (view: View) => void) => {
    this.#listeners.add(listener);
    return Promise.resolve(() => void this.#listeners.delete(listener));
  };
  onLevels = (listener: (levels: Levels) => void) => {
    listener(this.levels);
    return Promise.resolve(() => undefined);
  };
}
