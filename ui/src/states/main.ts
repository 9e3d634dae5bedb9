/** The fixtures page: `?app=proctor&case=wall&theme=dark` opens a window in one state, nothing opens the gallery. */
import '../common/tokens.css';
import '../common/base.css';
import { mount } from 'svelte';
import type { CandidateCommand } from '../common/bindings/CandidateCommand';
import type { CandidateView } from '../common/bindings/CandidateView';
import type { LevelsView } from '../common/bindings/LevelsView';
import type { LevelView } from '../common/bindings/LevelView';
import type { ProctorCommand } from '../common/bindings/ProctorCommand';
import type { ProctorView } from '../common/bindings/ProctorView';
import { freezeClock } from '../common/clock.svelte';
import { candidateCases } from './candidate-fixtures';
import { FixtureBackend } from './fixture-backend';
import { FixtureMedia } from './fixture-media';
import { officeCases } from './office-fixtures';
import { NOW, now, proctorCases } from './proctor-fixtures';

const query = new URLSearchParams(location.search);
const root = document.documentElement;
const app = query.get('app');
const name = query.get('case') ?? '';
root.dataset.app = app === 'candidate' ? 'candidate' : 'proctor';
root.dataset.theme = query.get('theme') ?? (app === 'candidate' ? 'light' : 'dark');
freezeClock(NOW);

/** Theme and app have to stand on the page before a component reads them. */
async function open(target: HTMLElement): Promise<void> {
  if (app === 'candidate') {
    await import('../candidate/candidate.css');
    const { default: App } = await import('../candidate/App.svelte');
    const first = (candidateCases[name] ?? candidateCases.exam)?.();
    if (!first) return;
    const media = new FixtureMedia(() => null);
    media.put(0, { kind: 'camera', seed: 14, capturedAt: now, status: 'live' });
    media.put(1, { kind: 'screen', seed: 14, capturedAt: now, status: 'live' });
    const backend = new FixtureBackend<CandidateView, CandidateCommand, LevelView>(first, { level: 42, clipped: false }, (view, command) =>
      command.do === 'join_link' || command.do === 'join' ? { ...view, busy: true } : view,
    );
    mount(App, { target, props: { backend, media, first } });
  } else if (app === 'proctor') {
    await import('../proctor/proctor.css');
    const { default: App } = await import('../proctor/App.svelte');
    const first = (proctorCases[name] ?? officeCases[name] ?? proctorCases.wall)?.();
    if (!first) return;
    const media = new FixtureMedia(({ participant, publication }) => {
      const [kind, instance] = publication.split('/');
      if (instance !== '0' || (kind !== 'camera' && kind !== 'screen')) return null;
      const seen = first.candidates.find((candidate) => candidate.participant === participant)?.publications.find((one) => one.publication === publication);
      return { kind, seed: Number(participant.slice(1)), capturedAt: seen?.captured_at ?? now, status: 'live' };
    });
    const levels: LevelsView = { levels: first.candidates.map((candidate, i) => [candidate.participant, (i * 37) % 96]) };
    const backend = new FixtureBackend<ProctorView, ProctorCommand, LevelsView>(first, levels, (view, command) => {
      if (command.do === 'focus') return { ...view, focus: command.participant };
      if (command.do === 'listen') return { ...view, listening: command.participant };
      if (command.do === 'send') return { ...view, sending: 'waiting' };
      return view;
    });
    mount(App, { target, props: { backend, media, first } });
  } else if (app === 'media') {
    const { openProbe } = await import('./media-probe');
    await openProbe(target);
  } else {
    await import('../proctor/proctor.css');
    document.body.classList.add('scroll');
    const { default: Gallery } = await import('./Gallery.svelte');
    mount(Gallery, { target });
  }
}

const target = document.getElementById('app');
if (target) void open(target);
