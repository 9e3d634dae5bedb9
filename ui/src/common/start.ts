/** Opens a window: the newest view first, then the media port. A reloaded web process comes through here as well. */
import { mount, type Component } from 'svelte';
import type { Backend } from './backend';
import { MediaClient } from './media/client';
import type { Media } from './media/types';
import { t } from './strings';

export interface AppProps<View, Command, Levels> {
  backend: Backend<View, Command, Levels>;
  media: Media;
  first: View;
}

export async function start<View, Command, Levels>(
  backend: Backend<View, Command, Levels>,
  App: Component<AppProps<View, Command, Levels>>,
  onUnsupported: () => void,
): Promise<void> {
  const target = document.getElementById('app');
  if (!target) return;
  try {
    const [first, port] = await Promise.all([backend.view(), backend.mediaPort()]);
    const media = new MediaClient({ port, renew: () => backend.mediaPort(), onUnsupported });
    mount(App, { target, props: { backend, media, first } });
  } catch (error) {
    const box = document.createElement('main');
    box.className = 'centre';
    const text = document.createElement('div');
    const head = document.createElement('h1');
    head.textContent = t('app.failed');
    const what = document.createElement('p');
    what.textContent = t('app.failed_text');
    const detail = document.createElement('p');
    detail.className = 't3';
    detail.textContent = String(error);
    text.append(head, what, detail);
    box.append(text);
    target.replaceChildren(box);
  }
}
