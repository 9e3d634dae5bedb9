/** The candidate's window in every state. Fixtures only: none of this is in an app. */
import type { CandidateView } from '../common/bindings/CandidateView';
import type { SourceView } from '../common/bindings/SourceView';
import { base as proctor, now } from './proctor-fixtures';

const S = 1e6;
const MIN = 60 * S;

const source = (over: Partial<SourceView>): SourceView => ({ publication: 'camera/0', rule: 'required', state: 'live', device: 'Integrated Camera', devices: [{ id: '0', name: 'Integrated Camera' }], width: 1280, height: 720, fps: 15, problem: null, test_picture: false, sending: true, preview: 0, ...over });
const cameraSource = (over: Partial<SourceView> = {}) => source(over);
const screenSource = (over: Partial<SourceView> = {}) => source({ publication: 'screen/0', device: 'Display 1', devices: [{ id: '0', name: 'Display 1' }], width: 1920, height: 1080, fps: 5, preview: 1, ...over });
const microphoneSource = (over: Partial<SourceView> = {}) =>
  source({ publication: 'microphone/0', device: 'Built-in microphone', devices: [{ id: '0', name: 'Built-in microphone' }, { id: '1', name: 'USB headset' }], width: 0, height: 0, fps: 0, preview: null, sending: false, ...over });

const all = [cameraSource(), microphoneSource(), screenSource()];
const problem = (code: string) => ({ code, params: {} });
const chat = [
  { id: 'c1', own: true, author: 'Candidate 014', text: 'My lamp flickers, may I switch it off?', at: now - 34 * MIN, sent: true },
  { id: 'c2', own: false, author: 'Proctor', text: 'Yes, please go ahead.', at: now - 33 * MIN, sent: true },
  { id: 'c3', own: true, author: 'Candidate 014', text: 'Thank you.', at: now - 2 * MIN, sent: false },
];
const exam = proctor().exam;
const keeps = exam && { ...exam, policy: { ...exam.policy, keeps_video: true, exam_page_keeps_answers: true } };

const base = (over: Partial<CandidateView> = {}): CandidateView => ({
  step: 'exam',
  busy: false,
  moving: false,
  notice: null,
  certificate: null,
  server: 'exam.example.org',
  exam_code: 'MICRO-204',
  exam,
  label: 'Candidate 014',
  seat: 'C2',
  sources: all,
  can_start: true,
  link: { state: 'connected' },
  media: { state: 'up' },
  mark: 'live',
  ends_at: now + 77 * MIN + 44 * S,
  clock_offset: 0,
  left_us: null,
  cover: null,
  extra_min: 0,
  hand_raised: false,
  ended: null,
  warning: null,
  chat: chat.slice(0, 2),
  unsent: 0,
  listening: false,
  muted: false,
  ...over,
});

export const candidateCases: Record<string, () => CandidateView> = {
  join: () => base({ step: 'join', exam: null }),
  'join-error': () => base({ step: 'join', exam: null, notice: { code: 'secret_wrong', params: { tries_left: '4' } } }),
  'join-moving': () => base({ step: 'join', exam: null, moving: true, exam_code: 'STAT-1' }),
  'join-busy': () => base({ step: 'join', exam: null, busy: true }),
  certificate: () => base({ step: 'join', certificate: { authority: '10.0.0.5:8443', sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', changed: false } }),
  consent: () => base({ step: 'consent' }),
  'consent-keeps': () => base({ step: 'consent', exam: keeps }),
  declined: () => base({ step: 'declined' }),
  'check-ok': () => base({ step: 'check' }),
  check: () => base({ step: 'check', can_start: false, sources: [cameraSource({ state: 'absent', device: null, devices: [], preview: null, problem: problem('camera_none') }), microphoneSource({ problem: problem('microphone_silent') }), screenSource()] }),
  'check-starting': () => base({ step: 'check', can_start: false, sources: [cameraSource({ state: 'starting', preview: 9 }), microphoneSource({ state: 'starting' }), screenSource({ state: 'starting', preview: 9 })] }),
  'check-test': () => base({ step: 'check', sources: [cameraSource({ test_picture: true, device: null, problem: null }), microphoneSource(), screenSource()] }),
  exam: () => base(),
  'exam-recording': () => base({ mark: 'recording', exam: keeps }),
  'exam-warning': () => base({ warning: { id: 'w1', own: false, author: 'Proctor', text: 'Please unplug the second display. Your exam goes on as soon as it is gone.', at: now - 10 * S, sent: true } }),
  'exam-lost': () => base({ mark: 'not_sending', link: { state: 'offline', since: now - 22 * S }, exam: keeps, chat, unsent: 3 }),
  'exam-lost-live': () => base({ mark: 'not_sending', link: { state: 'offline', since: now - 22 * S }, chat, unsent: 3 }),
  'exam-media-lost': () => base({ mark: 'not_sending', media: { state: 'lost', since: now - 14 * S }, link: { state: 'weak' } }),
  'exam-media-blocked': () => base({ mark: 'not_sending', media: { state: 'blocked', since: now - 95 * S }, link: { state: 'weak' } }),
  'exam-back': () => base({ link: { state: 'back', offline_s: 72 } }),
  'exam-listening': () => base({ listening: true, sources: [cameraSource({ state: 'failed', problem: problem('camera_gone') }), microphoneSource({ sending: true }), screenSource()] }),
  'exam-test': () => base({ sources: [cameraSource({ test_picture: true }), microphoneSource(), screenSource()], ends_at: now + 4 * MIN }),
  'exam-elsewhere': () => base({ exam: exam && { ...exam, policy: { ...exam.policy, exam_page_url: 'https://exam.example.org/statistics-1' } } }),
  'exam-paused': () => base({ cover: { why: 'exam_paused' }, left_us: 77 * MIN + 44 * S }),
  'exam-paused-one': () => base({ cover: { why: 'paused', reason: 'Someone will help you with the chair.' }, left_us: 77 * MIN + 44 * S, hand_raised: true }),
  'exam-muted': () => base({ muted: true }),
  'exam-locked': () => base({ cover: { why: 'locked', reason: 'Please put the phone away, then write to me.' } }),
  'exam-early': () => base({ cover: { why: 'not_begun', starts_at: now + 7 * MIN }, left_us: 70 * MIN }),
  'exam-waiting': () => base({ cover: { why: 'waiting', late: false } }),
  'exam-asked': () => base({ cover: { why: 'asked_again', reason: 'Please turn the camera so that I can see your desk and both hands.' } }),
  finished: () => base({ step: 'finished', mark: 'off', link: { state: 'idle' } }),
  ended: () => base({ step: 'finished', mark: 'off', link: { state: 'idle' }, ended: { rejected: false, reason: 'A second person sat at the desk.' } }),
  'ended-unsent': () => base({ step: 'finished', mark: 'off', link: { state: 'idle' }, unsent: 3, ended: { rejected: false, reason: '' } }),
  rejected: () => base({ step: 'finished', mark: 'off', link: { state: 'idle' }, ended: { rejected: true, reason: 'Your document could not be read.' } }),
  'finished-wait': () => base({ step: 'finished', mark: 'off', link: { state: 'connected' }, unsent: 12 }),
};
