import type { ApiKeyInfo } from '../../common/bindings/ApiKeyInfo';
import type { EventKind } from '../../common/bindings/EventKind';
import type { WebhookInfo } from '../../common/bindings/WebhookInfo';
import { t } from '../../common/strings';

/** Kinds that an address can wish for, in the order of an exam's life. */
export const kinds = ['exam.created', 'exam.edited', 'exam.changed', 'session.entered', 'session.changed', 'session.finished', 'session.revoked', 'session.reinstated', 'incident.noticed', 'candidate.erased'] as const satisfies readonly EventKind[];
type Kind = (typeof kinds)[number];

/** How a key stands at a server time in microseconds. */
export function keyState(key: ApiKeyInfo, now: number): 'active' | 'over' | 'revoked' {
  if (key.revoked_at !== null) return 'revoked';
  return key.expires_at !== null && key.expires_at <= now ? 'over' : 'active';
}

const stopped = {
  asked: { word: 'asked', tone: '', icon: 'pause' },
  gone: { word: 'gone', tone: 'warn', icon: 'alert' },
  failed: { word: 'failed', tone: 'high', icon: 'failed' },
} as const;
const going = {
  ok: { word: 'ok', tone: 'ok', icon: 'ok' },
  failing: { word: 'failing', tone: 'warn', icon: 'alert' },
} as const;

/** How telling an address goes. A reason of a later server counts as given up. */
export function hookState(hook: WebhookInfo): (typeof stopped)[keyof typeof stopped] | (typeof going)[keyof typeof going] {
  if (hook.stopped) return stopped[hook.stopped as keyof typeof stopped] ?? stopped.failed;
  return hook.attempts > 0 ? going.failing : going.ok;
}

/** What an address is told, in a few words. */
export function told(hook: WebhookInfo): string {
  const [first] = hook.kinds;
  if (first === undefined) return t('systems.hook_all');
  const known = kinds.find((kind): kind is Kind => kind === first);
  if (hook.kinds.length === 1) return known ? t(`systems.kind.${known}`) : t('systems.hook_one');
  return t('systems.hook_some', { n: hook.kinds.length });
}
