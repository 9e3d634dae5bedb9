import { describe, expect, it } from 'vitest';
import type { ApiKeyInfo } from '../../common/bindings/ApiKeyInfo';
import type { WebhookInfo } from '../../common/bindings/WebhookInfo';
import { hookState, keyState, told } from './state';

const key = (over: Partial<ApiKeyInfo>): ApiKeyInfo => ({ id: 'k', name: 'K', scopes: [], created_by: 'u', created_at: 0, expires_at: null, revoked_at: null, last_used_at: null, ...over });
const hook = (over: Partial<WebhookInfo>): WebhookInfo => ({ id: 'h', url: 'https://x.example.org/', kinds: [], created_at: 0, delivered_at: null, attempts: 0, last_error: null, next_at: null, ...over });

describe('how a key stands', () => {
  it('ends when it runs out, and is revoked whatever it would be', () => {
    expect(keyState(key({}), 10)).toBe('active');
    expect(keyState(key({ expires_at: 11 }), 10)).toBe('active');
    expect(keyState(key({ expires_at: 10 }), 10)).toBe('over');
    expect(keyState(key({ expires_at: 11, revoked_at: 9 }), 10)).toBe('revoked');
  });
});

describe('how telling goes', () => {
  it('says why it stopped before anything else', () => {
    expect(hookState(hook({})).word).toBe('ok');
    expect(hookState(hook({ attempts: 2 })).word).toBe('failing');
    expect(hookState(hook({ attempts: 2, stopped: 'gone' })).word).toBe('gone');
    expect(hookState(hook({ stopped: 'something newer' })).word).toBe('failed');
  });
  it('names one kind, and counts several', () => {
    expect(told(hook({}))).toBe('Told everything');
    expect(told(hook({ kinds: ['incident.noticed'] }))).toBe('Something to look at');
    expect(told(hook({ kinds: ['incident.noticed', 'exam.created'] }))).toBe('Told 2 kinds');
    expect(told(hook({ kinds: ['ping'] }))).toBe('Told one kind');
  });
});
